"""Read a sweep: an experiment file whose ``sweep`` section lists values to try for some keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any

from ganlab.config.grid import read_grid
from ganlab.config.layers import sort_problems
from ganlab.config.resolve import LoadedExperiment, resolve_raw
from ganlab.config.tree import ROLES, describe_value
from ganlab.errors import ConfigError
from ganlab.plugins import Plugins


@dataclass(frozen=True)
class GridPoint:
    """One experiment of a sweep: one combination of the listed values."""

    settings: dict[str, Any]
    """The values of this experiment, by dotted key."""

    loaded: LoadedExperiment

    def __str__(self) -> str:
        return "  ".join(f"{key}={format_value(value)}" for key, value in self.settings.items())


def load_sweep(
    path: str | PathLike[str], plugins: Plugins, overrides: Sequence[str] = ()
) -> list[GridPoint]:
    """Read a sweep and return its experiments, the last key varying fastest.

    ``path`` may be the sweep's name: see `ganlab.config.locate.find_experiment`. Raises
    `ExperimentError` if there is no such sweep, and `ConfigError` with everything that is wrong,
    with any of the experiments.
    """
    raw, grid = read_grid(path, overrides)
    problems = list(raw.problems)
    points = []
    for point in grid:
        try:
            loaded = resolve_raw(point.raw, plugins, raw.path.stem)
        except ConfigError as error:
            problems += error.problems
            continue
        settings = {key: node.plain() for key, node in point.settings.items()}
        points.append(GridPoint(settings, loaded))
    if problems:
        raise ConfigError(sort_problems(problems, raw.layers), str(path))
    return points


def format_value(value: Any) -> str:
    """Return a short text for a value: ``cbn+projection``, ``G concat, D projection``."""
    if isinstance(value, dict):
        options = ", ".join(
            f"{key[0].upper() if key in ROLES else key} {format_value(inner)}"
            for key, inner in value.items()
            if key != "type"
        )
        if "type" not in value:
            return options
        return f"{value['type']}({options})" if options else str(value["type"])
    if isinstance(value, list):
        return "+".join(map(format_value, value)) or "[]"
    return value if isinstance(value, str) else describe_value(value)
