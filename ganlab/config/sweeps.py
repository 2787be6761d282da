"""A sweep: an experiment file with a section that lists values to try for some of its keys."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ganlab.config.layers import in_order
from ganlab.config.resolve import Loaded, finish, read_root
from ganlab.config.tree import Node, put, shown
from ganlab.errors import ConfigError, Problem
from ganlab.plugins import Plugins

SECTION = "sweep"


@dataclass(frozen=True)
class Point:
    """One experiment of a sweep."""

    settings: dict[str, Any]
    """The values that it has, by dotted key."""

    loaded: Loaded


def load_sweep(path: Path, plugins: Plugins, overrides: Sequence[str] = ()) -> list[Point]:
    """Read a sweep and return its experiments, the last key varying fastest.

    Raises `ConfigError` with everything that is wrong, with any of the experiments.
    """
    read = read_root(path, overrides)
    grid_node = read.root.child(SECTION)
    if grid_node is None:
        example = "sweep: {conditioning: [concat, cbn], train.seed: [0, 1, 2]}"
        raise ConfigError([Problem(SECTION, f"is missing: {example}", str(path))], str(path))
    problems = list(read.problems)
    grid = _grid(grid_node, problems)
    rest = {key: node for key, node in read.root.value.items() if key != SECTION}
    root = replace(read.root, value=rest)
    points, seen = [], set()
    for values in itertools.product(*grid.values()):
        changed = root
        try:
            for key, value in zip(grid, values, strict=True):
                changed = put(changed, key, value)
            loaded = finish(replace(read, root=changed), plugins, path.stem)
        except ConfigError as error:
            problems += error.problems
            continue
        settings = {key: value.plain() for key, value in zip(grid, values, strict=True)}
        name = (loaded.experiment.identity(), loaded.experiment.train.seed)
        if name in seen:
            what = f"two entries give the same experiment: {say(settings)}"
            problems.append(Problem(SECTION, what, grid_node.source))
        seen.add(name)
        points.append(Point(settings, loaded))
    if problems:
        raise ConfigError(in_order(problems, read.layers), str(path))
    return points


def say(settings: dict[str, Any]) -> str:
    """Return the values of a point on one line."""
    return "  ".join(f"{key}={shown_plainly(value)}" for key, value in settings.items())


def shown_plainly(value: Any) -> str:
    """Return a value in a few words: ``cbn+projection``, ``G concat, D projection``."""
    if isinstance(value, dict) and "type" in value:
        options = ", ".join(f"{k}={shown_plainly(v)}" for k, v in value.items() if k != "type")
        return f"{value['type']}({options})" if options else str(value["type"])
    if isinstance(value, dict):
        return ", ".join(
            f"{key[0].upper() if key in ('generator', 'discriminator') else key} "
            f"{shown_plainly(inner)}"
            for key, inner in value.items()
        )
    if isinstance(value, list):
        return "+".join(map(shown_plainly, value))
    return str(value)


def _grid(node: Node, problems: list[Problem]) -> dict[str, list[Node]]:
    """Return the values to try by dotted key; ``train: {seed: [0, 1]}`` is ``train.seed`` too."""
    grid: dict[str, list[Node]] = {}
    if not isinstance(node.value, dict) or not node.value:
        what = f"expected keys with lists of values, got {shown(node.value)}"
        problems.append(node.problem(what))
        return grid
    for key, values in node.value.items():
        if isinstance(values.value, dict) and values.value:
            inner = _grid(values, problems)
            grid |= {f"{key}.{rest}": entries for rest, entries in inner.items()}
        elif isinstance(values.value, list) and values.value:
            grid[key] = values.value
        else:
            what = f"expected a list of values to try, got {shown(values.value)}"
            problems.append(values.problem(what))
    return grid
