"""Read the experiments of a sweep, one tree each. Importing it imports no torch."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from typing import Any

from ganlab.config.layers import RawExperiment, read_raw
from ganlab.config.tree import SWEEP, Node, describe_value, set_value
from ganlab.errors import ConfigError, Problem

CASES = "cases"
"""A key of ``sweep`` whose values set several keys at once:
``cases: [{conditioning: concat, loss: bce}, ...]``."""


@dataclass(frozen=True)
class RawGridPoint:
    """One experiment of a sweep that has been read but not validated."""

    settings: dict[str, Node]
    """The values of this experiment, by dotted key."""

    raw: RawExperiment


def read_grid(
    path: str | PathLike[str], overrides: Sequence[str] = ()
) -> tuple[RawExperiment, list[RawGridPoint]]:
    """Read a sweep and return its file and its experiments, the last key varying fastest.

    Problems of the grid are appended to those of the returned file. ``path`` may be the sweep's
    name. Raises `ExperimentError` if there is no such sweep, and `ConfigError` for a file that
    cannot be read or has no section ``sweep``.
    """
    raw = read_raw(path, overrides)
    grid_node = raw.root.child(SWEEP)
    if grid_node is None:
        example = "sweep: {conditioning: [concat, cbn], train.seed: [0, 1, 2]}"
        raise ConfigError([Problem(SWEEP, f"is missing: {example}", str(path))], str(path))
    problems = list(raw.problems)
    grid = _grid(grid_node, problems)
    rest = {key: node for key, node in raw.root.value.items() if key != SWEEP}
    root = replace(raw.root, value=rest)
    points = []
    for values in itertools.product(*(node.value for node in grid.values())):
        changed = root
        settings = dict(_settings(grid, values))
        try:
            for key, value in settings.items():
                changed = set_value(changed, key, value)
        except ConfigError as error:
            problems += error.problems
            continue
        problems += _ineffective_overrides(root, changed)
        points.append(RawGridPoint(settings, replace(raw, root=changed)))
    return replace(raw, problems=problems), points


def _settings(grid: dict[str, Node], values: Sequence[Node]) -> Iterator[tuple[str, Node]]:
    """Yield (key, value) of each setting of one grid point; a case yields several."""
    for key, value in zip(grid, values, strict=True):
        if key == CASES:
            yield from value.value.items()
        else:
            yield key, value


def _check_cases(node: Node, problems: list[Problem]) -> bool:
    """Refuse cases that are not blocks or set different keys; return whether all are valid."""
    known = len(problems)
    for case in node.value:
        if not isinstance(case.value, dict) or not case.value:
            what = f"expected a block of keys and values, got {_describe(case.value)}"
            problems.append(case.problem(what))
        elif isinstance(first := node.value[0].value, dict) and set(case.value) != set(first):
            what = f"sets {', '.join(case.value)}, but the first case sets {', '.join(first)}"
            problems.append(case.problem(f"{what}; every case must set the same keys"))
    return len(problems) == known


def _grid(node: Node, problems: list[Problem]) -> dict[str, Node]:
    """Return the lists of values by dotted key.

    ``train: {seed: [0, 1]}`` and ``train.seed: [0, 1]`` mean the same. A list in a higher layer
    replaces one of the same key in a lower layer, whichever form either of them has.
    """
    grid: dict[str, Node] = {}
    if not isinstance(node.value, dict) or not node.value:
        what = f"expected keys with lists of values, got {_describe(node.value)}"
        problems.append(node.problem(what))
        return grid
    for key, values in node.value.items():
        if isinstance(values.value, dict) and values.value:
            found = {f"{key}.{rest}": n for rest, n in _grid(values, problems).items()}
        elif isinstance(values.value, list) and values.value:
            found = {key: values} if key != CASES or _check_cases(values, problems) else {}
        else:
            found = {}
            what = f"expected a list of values to try, got {_describe(values.value)}"
            problems.append(values.problem(what))
        for name, entries in found.items():
            before = grid.get(name)
            if before is not None and before.layer == entries.layer:
                problems.append(entries.problem(f"is listed twice; see also {before.source}"))
            if before is None or before.layer < entries.layer:
                grid[name] = entries
    return grid


def _describe(value: Any) -> str:
    text = describe_value(value)
    return text.replace("a ", "an empty ") if value in ([], {}) else text


def _ineffective_overrides(root: Node, changed: Node) -> list[Problem]:
    """Return a problem for each command-line override that the sweep's values replace."""
    lost = sorted(_overridden(root) - _overridden(changed))
    what = "the sweep sets this key; override its list of values instead: -s {}.{}='[...]'"
    return [Problem(where, what.format(SWEEP, where), "-s") for where in lost]


def _overridden(node: Node) -> set[str]:
    """Return the dotted paths of all values that came from the command line."""
    if isinstance(node.value, (dict, list)):
        inner = node.value.values() if isinstance(node.value, dict) else node.value
        return {where for child in inner for where in _overridden(child)}
    return {node.where.removesuffix(".type")} if node.source == "-s" else set()
