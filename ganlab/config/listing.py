"""List the experiments that can be referred to by name. Importing it imports no torch."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ganlab.config.layers import read_layers, read_text
from ganlab.config.locate import known_experiments, local_experiments
from ganlab.config.tree import SWEEP
from ganlab.errors import ConfigError, GanlabError, Problem

log = logging.getLogger(__name__)

EDITOR = "yaml-language-server:"
"""Begins a comment that tells an editor which schema a file has."""


@dataclass(frozen=True)
class ListedExperiment:
    """An experiment that can be referred to by name."""

    name: str
    file: Path

    description: str
    """The first line of the comment at the top of the file; empty without one."""

    is_sweep: bool
    """True if ``ganlab sweep`` runs it, False if ``ganlab run`` does."""

    origin: Literal["local", "shipped"]
    """``local`` for a file in ``experiments/`` in the working directory."""


def list_experiments() -> list[ListedExperiment]:
    """Return the local and the shipped experiments, sorted by name.

    A local experiment hides a shipped one of the same name. A file that cannot be read is left out
    with a warning.
    """
    local = set(local_experiments())
    found = []
    for name, file in known_experiments().items():
        try:
            text = read_text(file)
            is_sweep = _is_sweep(file, text)
        except GanlabError as error:
            log.warning("%s", error)
            continue
        origin: Literal["local", "shipped"] = "local" if file in local else "shipped"
        found.append(ListedExperiment(name, file, describe(text), is_sweep, origin))
    return found


def describe(text: str) -> str:
    """Return the first line of the comment at the top of an experiment file, without ``#``."""
    for line in text.splitlines():
        if not line.startswith("#"):
            return ""
        words = line.lstrip("#").strip()
        if words and not words.startswith(EDITOR):
            return words
    return ""


def _is_sweep(file: Path, text: str) -> bool:
    """Return True if the file, or a file that it extends, has a section ``sweep``."""
    problems: list[Problem] = []
    layers = read_layers(file, text, problems)
    if problems:
        raise ConfigError(problems, str(file))
    return any(SWEEP in layer.value for layer in layers)
