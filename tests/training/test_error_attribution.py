"""Mistakes of a plugin during training: the error names plugin, site, what was expected and got."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.training.helpers import only_run

PLUGIN = """
import torch
from torch import nn
from ganlab import Conditioning, Embed, Regularizer, hookimpl

class Broken(Conditioning):
    name = "broken"
    def latent(self, z_dim, spec):
        return Add(z_dim, spec.num_classes)
    def image(self, channels, spec):
        return Same(channels)

class Add(nn.Module):
    def __init__(self, z_dim, num_classes):
        super().__init__()
        self.out_features = z_dim
        self.table = Embed(num_classes, z_dim)
    def forward(self, z, y):
        w = z + self.table(y)
        LATENT

class Same(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.out_channels = channels
    def forward(self, x, y):
        IMAGE

class Term(Regularizer):
    name = "term"
    def d_terms(self, step, state):
        TERM

@hookimpl
def register_conditionings(): return [Broken]

@hookimpl
def register_regularizers(): return [Term]
"""
GOOD = {"LATENT": "return w", "IMAGE": "return x", "TERM": "return {}"}
NUMBERS = itertools.count()
ErrorOf = Callable[..., tuple[str, int]]


@pytest.fixture
def error_of(
    write_experiment: Callable[..., Path], ganlab: Callable[..., Any], workplace: Path
) -> ErrorOf:
    """Return what a run says, and its exit code, that uses the plugin with some lines changed."""

    def run(**lines: str) -> tuple[str, int]:
        text = PLUGIN
        for name, line in (GOOD | lines).items():
            text = text.replace(name, line)
        (workplace / "plugins").mkdir()
        name = f"broken{next(NUMBERS)}.py"  # a process loads a module of a name once
        (workplace / "plugins" / name).write_text(text)
        parts = {"conditioning": "broken", "regularizers": ["term"]}
        result = ganlab("run", write_experiment(steps=4, sections=parts))
        return result.stderr.partition("Error: ")[2].replace(name, "broken.py"), result.exit_code

    return run


def test_a_plugin_without_mistakes_trains(error_of: ErrorOf) -> None:
    assert error_of() == ("", 0)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            {"LATENT": "return w[:, :2]"},
            "conditioning 'broken': latent() must give shape (40, 4), got (40, 2)",
        ),
        (
            {"LATENT": "return (w, y)"},
            "conditioning 'broken': latent() must give a tensor (40, 4), got tuple",
        ),
        (
            {"IMAGE": "return x[:, :, 1:]"},
            "conditioning 'broken': image() must give shape (8, 1, 16, 16), got (8, 1, 15, 16)",
        ),
        (
            {"LATENT": "return z"},
            "conditioning 'broken': latent(): the parameter "
            "generator.latent.links.0.table.table.weight takes part in nothing: expected a "
            "gradient in the first step, got none; make it a buffer or freeze it if that is meant",
        ),
        (
            {"TERM": "return {'own': step.real.x.mean((1, 2, 3))}"},
            "regularizers.term: the term 'own' must be a scalar, got shape (8,)",
        ),
    ],
)
def test_what_is_expected_and_what_came(
    error_of: ErrorOf, lines: dict[str, str], message: str
) -> None:
    assert error_of(**lines) == (f"{message}\n", 3)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            {"LATENT": "return w @ w"},
            "conditioning 'broken': latent() raised RuntimeError at broken.py:20: "
            "mat1 and mat2 shapes cannot be multiplied (40x4 and 40x4)",
        ),
        (
            {"TERM": "return {'own': step.real.nothing}"},
            "regularizer 'term': d_terms() raised AttributeError at broken.py:32: "
            "'Batch' object has no attribute 'nothing'",
        ),
    ],
)
def test_what_is_raised_in_a_step_says_where(
    error_of: ErrorOf, workplace: Path, lines: dict[str, str], message: str
) -> None:
    error, code = error_of(**lines)
    kept = only_run(workplace).relative_to(workplace) / "traceback.txt"
    assert (error, code) == (f"{message}\n  traceback: {kept}\n", 3)
    assert kept.read_text().startswith("Traceback (most recent call last):")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            {"LATENT": "return w / 0 * 0"},
            "loss_d became nan at step 1: conditioning 'broken': latent() gives numbers that are "
            "not finite, with its initial weights",
        ),
        (
            {"TERM": "return {'own': torch.log(-step.real.x.square().mean())}"},
            "d/own became nan at step 1: it is a term of regularizers.term",
        ),
    ],
)
def test_a_number_that_is_not_finite_is_traced_to_its_plugin(
    error_of: ErrorOf, lines: dict[str, str], message: str
) -> None:
    error, code = error_of(**lines)
    assert error.startswith(message)
    assert code == 1
