"""The values that a sweep tries, as one tree for each experiment. Importing it imports no torch."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ganlab.config.layers import SWEEP, Read, read_root
from ganlab.config.tree import Node, put, shown
from ganlab.errors import ConfigError, Problem

CASES = "cases"
"""The key whose values are blocks of several keys: ``[{conditioning: concat, loss: bce}, ...]``."""


@dataclass(frozen=True)
class GridPoint:
    """One experiment of a sweep, read but not checked."""

    settings: dict[str, Node]
    """The values that it has, by dotted key."""

    read: Read


def read_grid(path: Path, overrides: Sequence[str] = ()) -> tuple[Read, list[GridPoint]]:
    """Read a sweep and return its experiments, the last key varying fastest.

    What is wrong with the grid is noted in the problems of the returned file. Raises `ConfigError`
    for a file that cannot be read or holds no sweep.
    """
    read = read_root(path, overrides)
    grid_node = read.root.child(SWEEP)
    if grid_node is None:
        example = "sweep: {conditioning: [concat, cbn], train.seed: [0, 1, 2]}"
        raise ConfigError([Problem(SWEEP, f"is missing: {example}", str(path))], str(path))
    problems = list(read.problems)
    grid = _grid(grid_node, problems)
    rest = {key: node for key, node in read.root.value.items() if key != SWEEP}
    root = replace(read.root, value=rest)
    points = []
    for values in itertools.product(*(node.value for node in grid.values())):
        changed = root
        settings = dict(_settings(grid, values))
        try:
            for key, value in settings.items():
                changed = put(changed, key, value)
        except ConfigError as error:
            problems += error.problems
            continue
        problems += _lost_overrides(root, changed)
        points.append(GridPoint(settings, replace(read, root=changed)))
    return replace(read, problems=problems), points


def _settings(grid: dict[str, Node], values: Sequence[Node]) -> Iterator[tuple[str, Node]]:
    """Yield the keys of one point with their values; those of a case belong together."""
    for key, value in zip(grid, values, strict=True):
        if key == CASES:
            yield from value.value.items()
        else:
            yield key, value


def _check_cases(node: Node, problems: list[Problem]) -> bool:
    """Refuse cases that are no blocks, or that do not set the same keys."""
    known = len(problems)
    for case in node.value:
        if not isinstance(case.value, dict) or not case.value:
            what = f"expected keys with values that belong together, got {_shown(case.value)}"
            problems.append(case.problem(what))
        elif isinstance(first := node.value[0].value, dict) and set(case.value) != set(first):
            what = f"sets {', '.join(case.value)}, the first case {', '.join(first)}"
            problems.append(case.problem(f"{what}: every case sets the same keys"))
    return len(problems) == known


def _grid(node: Node, problems: list[Problem]) -> dict[str, Node]:
    """Return the lists of values by dotted key; ``train: {seed: [0, 1]}`` is ``train.seed`` too.

    A list of a higher layer replaces one of the same key, whichever way the two are written.
    """
    grid: dict[str, Node] = {}
    if not isinstance(node.value, dict) or not node.value:
        what = f"expected keys with lists of values, got {_shown(node.value)}"
        problems.append(node.problem(what))
        return grid
    for key, values in node.value.items():
        if isinstance(values.value, dict) and values.value:
            found = {f"{key}.{rest}": n for rest, n in _grid(values, problems).items()}
        elif isinstance(values.value, list) and values.value:
            found = {key: values} if key != CASES or _check_cases(values, problems) else {}
        else:
            found = {}
            what = f"expected a list of values to try, got {_shown(values.value)}"
            problems.append(values.problem(what))
        for name, entries in found.items():
            before = grid.get(name)
            if before is not None and before.layer == entries.layer:
                problems.append(entries.problem(f"is listed twice: see {before.source}"))
            if before is None or before.layer < entries.layer:
                grid[name] = entries
    return grid


def _shown(value: Any) -> str:
    return shown(value).replace("a ", "an empty ") if value in ([], {}) else shown(value)


def _lost_overrides(root: Node, changed: Node) -> list[Problem]:
    """Return a problem for each override of the command line that the sweep's values replace."""
    lost = sorted(_overridden(root) - _overridden(changed))
    what = "the sweep has its own values for it: override its list, -s {}.{}='[...]'"
    return [Problem(where, what.format(SWEEP, where), "-s") for where in lost]


def _overridden(node: Node) -> set[str]:
    """Return the dotted paths of all values that came from the command line."""
    if isinstance(node.value, (dict, list)):
        inner = node.value.values() if isinstance(node.value, dict) else node.value
        return {where for child in inner for where in _overridden(child)}
    return {node.where.removesuffix(".type")} if node.source == "-s" else set()
