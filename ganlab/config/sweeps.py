"""A sweep: an experiment file with a section that lists values to try for some of its keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganlab.config.grid import read_grid
from ganlab.config.layers import in_order
from ganlab.config.resolve import Loaded, finish
from ganlab.config.tree import ROLES, shown
from ganlab.errors import ConfigError
from ganlab.plugins import Plugins


@dataclass(frozen=True)
class Point:
    """One experiment of a sweep."""

    settings: dict[str, Any]
    """The values that it has, by dotted key."""

    loaded: Loaded

    def __str__(self) -> str:
        return "  ".join(f"{key}={in_words(value)}" for key, value in self.settings.items())


def load_sweep(path: Path, plugins: Plugins, overrides: Sequence[str] = ()) -> list[Point]:
    """Read a sweep and return its experiments, the last key varying fastest.

    Raises `ConfigError` with everything that is wrong, with any of the experiments.
    """
    read, grid = read_grid(path, overrides)
    problems = list(read.problems)
    points = []
    for point in grid:
        try:
            loaded = finish(point.read, plugins, path.stem)
        except ConfigError as error:
            problems += error.problems
            continue
        points.append(Point({key: node.plain() for key, node in point.settings.items()}, loaded))
    if problems:
        raise ConfigError(in_order(problems, read.layers), str(path))
    return points


def in_words(value: Any) -> str:
    """Return a value in a few words: ``cbn+projection``, ``G concat, D projection``."""
    if isinstance(value, dict):
        options = ", ".join(
            f"{key[0].upper() if key in ROLES else key} {in_words(inner)}"
            for key, inner in value.items()
            if key != "type"
        )
        if "type" not in value:
            return options
        return f"{value['type']}({options})" if options else str(value["type"])
    if isinstance(value, list):
        return "+".join(map(in_words, value)) or "[]"
    return value if isinstance(value, str) else shown(value)
