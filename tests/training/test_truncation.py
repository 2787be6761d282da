"""Truncation: less various noise, by name, in samples and in scores."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import scipy
import torch

import ganlab as package
from ganlab.nn import truncate
from ganlab.plugins import Plugins
from tests.conftest import TINY
from tests.training.helpers import only_run

Ganlab = Callable[..., Any]


@pytest.mark.parametrize("threshold", [0.04, 0.5, 1.0, 3.0])
def test_noise_becomes_truncated_normal_in_its_order(threshold: float) -> None:
    z = torch.randn(4000, 5, generator=torch.Generator().manual_seed(0))
    t = truncate(z, threshold)
    assert t.dtype == z.dtype
    assert t.abs().max() <= threshold
    expected = scipy.stats.truncnorm(-threshold, threshold)
    assert scipy.stats.kstest(t.flatten().numpy(), expected.cdf).pvalue > 1e-3
    order = z.flatten().argsort()
    assert (t.flatten()[order].diff() >= 0).all()


def test_a_wide_threshold_changes_nothing() -> None:
    z = torch.randn(1000, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(truncate(z, 12.0), z, rtol=1e-5, atol=1e-5)


def test_a_run_is_sampled_and_scored_by_it(
    write_experiment: Callable[..., Path], ganlab: Ganlab, workplace: Path
) -> None:
    assert ganlab("run", write_experiment(steps=4)).exit_code == 0
    run = only_run(workplace)
    plugins = Plugins()
    plugins.load_folder(TINY)
    trained = package.load(run, plugins=plugins)
    labels = torch.zeros(20, dtype=torch.long)
    z = torch.randn(20, 4, generator=torch.Generator().manual_seed(0))
    images = trained.sample(labels, z=z, truncation=0.5)
    assert torch.equal(images, trained.sample(labels, z=truncate(z, 0.5)))
    assert not torch.equal(images, trained.sample(labels, z=z))
    small = trained.sample(labels, z=z, truncation=1e-6)
    assert (small.int() - small[:1].int()).abs().max() <= 1

    ask = ("eval", "--extractor", "tiny", "-m", "tiny", "--seeds", 1)
    assert ganlab(*ask).exit_code == 0
    result = ganlab(*ask, "--truncation", 0.5)
    assert result.exit_code == 0, result.output
    plain, truncated = map(json.loads, (run / "scores.jsonl").read_text().splitlines())
    assert (plain["truncation"], truncated["truncation"]) == (None, 0.5)
    assert plain["protocol_id"] == truncated["protocol_id"]
    assert "weights: last, truncation 0.5" in result.stdout.splitlines()[0]
    csv = ganlab(*ask, "--truncation", 0.5, "--raw", "--bn", "standing", "--csv").stdout
    assert ',"last, raw, bn standing, truncation 0.5",' in csv
    scores = [line["metrics"]["tiny"]["values"]["tiny"] for line in (plain, truncated)]
    assert scores[0] != scores[1]
    assert ganlab("sample", run, "--truncation", 0.5, "--bn", "standing").exit_code == 0
    refused = ganlab("sample", run, "--truncation", 0)
    assert refused.exit_code == 2
    assert "0 is not in the range x>0" in refused.stderr
