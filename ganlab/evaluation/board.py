"""The leaderboard: one table for each protocol, one row for each experiment. It needs no torch."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ganlab.files import read_lines
from ganlab.runs import Run


@dataclass
class Row:
    """Runs that differ in the training seed alone."""

    experiment: str
    identity: str
    values: dict[str, list[float]] = field(default_factory=dict)
    """By the name of a value: its mean over sampling seeds, for each training seed."""

    seeds: list[int] = field(default_factory=list)

    def mean(self, name: str) -> float:
        return statistics.fmean(self.values[name])

    def sd(self, name: str) -> float | None:
        """Return the standard deviation over training seeds; None for a single one."""
        values = self.values[name]
        return statistics.stdev(values) if len(values) > 1 else None


@dataclass
class Table:
    """What was scored by one protocol."""

    protocol_id: str
    protocol: dict[str, Any]
    rows: list[Row]


def tables(runs: Sequence[Run], names: Sequence[str], *, ascending: bool) -> list[Table]:
    """Return a table for each protocol, its rows ranked by the first of the named values.

    Of each run the latest line of a checkpoint counts, and the checkpoint that is furthest on.
    """
    found: dict[str, Table] = {}
    for run in runs:
        for line in _latest(run):
            table = found.setdefault(
                line["protocol_id"], Table(line["protocol_id"], line["protocol"], [])
            )
            _add(table, run, line, names)
    for table in found.values():
        table.rows = [row for row in table.rows if names[0] in row.values]
        table.rows.sort(key=lambda row: row.mean(names[0]), reverse=not ascending)
    return [table for table in found.values() if table.rows]


def _latest(run: Run) -> Iterator[dict[str, Any]]:
    """Yield, for each protocol, the scores of the run's furthest checkpoint, merged."""
    lines = [line for line in read_lines(run.path / "scores.jsonl") if "metrics" in line]
    for protocol_id in dict.fromkeys(line["protocol_id"] for line in lines):
        own = [line for line in lines if line["protocol_id"] == protocol_id]
        furthest = max(own, key=lambda line: line["checkpoint"]["steps"])["checkpoint"]["sha256"]
        same = [line for line in own if line["checkpoint"]["sha256"] == furthest]
        metrics: dict[str, Any] = {}
        for line in same:
            metrics |= line["metrics"]
        yield same[-1] | {"metrics": metrics}


def _add(table: Table, run: Run, line: dict[str, Any], names: Sequence[str]) -> None:
    identity = run.info["identity"]
    row = next((row for row in table.rows if row.identity == identity), None)
    if row is None:
        row = Row(run.info["experiment"], identity)
        table.rows.append(row)
    row.seeds.append(run.info["seed"])
    for metric in line["metrics"].values():
        for name, values in metric["values"].items():
            if name in names:
                row.values.setdefault(name, []).append(statistics.fmean(values))
