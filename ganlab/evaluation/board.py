"""The leaderboard: one table for each protocol, one row for each experiment. It needs no torch."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from ganlab.evaluation.protocol import EvaluationSpec
from ganlab.evaluation.variants import variants

SIGNIFICANT = 0.05
"""Two rows are tied if the p-value of their difference is larger than this."""

BUDGETS = ("epochs", "images", "steps", "seconds")
MOVING = ("torch", "device", "tf32")
"""Conditions that may change scores slightly: a table warns if they differ between its rows."""


@dataclass(frozen=True)
class Entry:
    """One scored run, or one folder of images that another system made."""

    name: str
    folder: Path
    info: Mapping[str, Any]
    """The content of run.json."""

    choice: str
    """``last``, ``best``, or ``epoch 12``."""

    checkpoint: Mapping[str, Any]
    eval_spec: EvaluationSpec
    answer: Mapping[str, Any]
    """The results by metric: ``values``, ``flags``, ``real_baselines``, ``environment``."""


@dataclass
class Row:
    """The entries of one variant: they differ only in the training seed."""

    entries: list[Entry]
    variant: str = ""
    rank: int = 0
    tied: bool = False
    """True if no difference from the row above was found: see `cannot_be_told_apart`."""

    @property
    def experiment(self) -> str:
        return f"{self.entries[0].info['experiment']}/{self.entries[0].info['identity'][:6]}"

    @property
    def seeds(self) -> list[int]:
        return [entry.info["seed"] for entry in self.entries]

    def values(self, metric: str, value: str | None = None) -> list[float]:
        """Return a value of a metric for each training seed: the mean over its sampling seeds.

        ``value`` is the metric's main value by default. Seeds without the value are left out.
        """
        answers = [e.answer[metric]["values"] for e in self.entries if metric in e.answer]
        found = [answer[value or metric] for answer in answers if (value or metric) in answer]
        return [statistics.fmean(over_samples) for over_samples in found]

    @property
    def flags(self) -> list[str]:
        """The warnings that metrics raised: ``flag``, or ``flag (1 of 3)`` for some seeds only."""
        raised = [
            {flag for metric in entry.answer.values() for flag in metric["flags"]}
            for entry in self.entries
        ]
        counts = {f: sum(f in one for one in raised) for one in raised for f in sorted(one)}
        all_of_them = len(self.entries)
        return [
            flag if count == all_of_them else f"{flag} ({count} of {all_of_them})"
            for flag, count in counts.items()
        ]

    @property
    def costs(self) -> dict[str, float | None]:
        """The costs of training as means over training seeds; None where unknown.

        ``images_per_second``, ``seconds``, ``peak_memory_bytes``, ``parameters``.
        """
        found: dict[str, list[float]] = {}
        for entry in self.entries:
            for name, value in _costs(entry.info).items():
                if value is not None:
                    found.setdefault(name, []).append(value)
        return {name: statistics.fmean(found[name]) if name in found else None for name in COSTS}


COSTS = ("images_per_second", "seconds", "peak_memory_bytes", "parameters")


@dataclass
class Table:
    """The rows of one protocol and one choice of weights, ranked by the first metric."""

    protocol_id: str
    protocol: dict[str, Any]
    choice: str
    heading: str
    """What distinguishes the variants, such as ``conditioning``."""

    metrics: dict[str, bool | None]
    """For each metric, whether higher is better; None for no direction. The first one ranks."""

    rows: list[Row]
    real_baselines: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    """The scores of real images: for ``train`` and ``held out``, by metric, then by value."""

    warnings: list[str] = field(default_factory=list)

    def as_data(self) -> dict[str, Any]:
        """Return the table as plain data, with a value for each training seed."""
        return {
            "protocol_id": self.protocol_id,
            "protocol": self.protocol,
            "weights_of": self.choice,
            "metrics": {
                name: {"higher_is_better": higher} for name, higher in self.metrics.items()
            },
            "rows": [self._row(row) for row in self.rows],
            "real_baselines": self.real_baselines,
            "warnings": self.warnings,
        }

    def _row(self, row: Row) -> dict[str, Any]:
        names = {n: v["values"] for e in row.entries for n, v in e.answer.items()}
        return {
            "rank": row.rank,
            "tied_with_the_row_above": row.tied,
            self.heading: row.variant,
            "experiment": row.experiment,
            "runs": [str(entry.folder) for entry in row.entries],
            "seeds": row.seeds,
            "values": {
                value: row.values(metric, value)
                for metric in self.metrics
                for value in names.get(metric, {})
            },
            "flags": row.flags,
            "steps": [entry.checkpoint.get("steps") for entry in row.entries],
            **row.costs,
        }


def tables(entries: Iterable[Entry]) -> list[Table]:
    """Return a table for each protocol and choice of weights, ranked by the first metric.

    An entry without a result for the first metric is left out.
    """
    groups: dict[tuple[str, str], list[Entry]] = {}
    for entry in entries:
        if entry.eval_spec.metrics[0].name in entry.answer:
            key = (entry.eval_spec.protocol.id, entry.choice)
            groups.setdefault(key, []).append(entry)
    return [_table(group) for group in groups.values()]


def _table(entries: Sequence[Entry]) -> Table:
    eval_spec = entries[0].eval_spec
    metrics = {
        wanted.name: wanted.higher_is_better
        for entry in entries
        for wanted in entry.eval_spec.metrics
        if any(wanted.name in e.answer for e in entries)
    }
    rows = _rows(entries)
    first, higher = next(iter(metrics.items()))
    rows.sort(key=lambda row: statistics.fmean(row.values(first)), reverse=higher is True)
    for rank, row in enumerate(rows, start=1):
        row.rank = rank
    for above, row in pairwise(rows):
        row.tied = cannot_be_told_apart(above.values(first), row.values(first))
    heading = _name_variants(rows)
    return Table(
        eval_spec.protocol.id,
        asdict(eval_spec.protocol),
        entries[0].choice,
        heading,
        metrics,
        rows,
        _real_baselines(entries),
        _warnings(entries),
    )


def _rows(entries: Sequence[Entry]) -> list[Row]:
    """Group the entries that differ only in the training seed; a seed counts once."""
    rows: dict[tuple[Any, ...], Row] = {}
    for entry in entries:
        budget = {name: _config(entry).get("train", {}).get(name) for name in BUDGETS}
        key = (entry.info["identity"], str(budget), *_conditions(entry).values())
        row = rows.setdefault(key, Row([]))
        if entry.info["seed"] not in row.seeds:
            row.entries.append(entry)
    return list(rows.values())


def _name_variants(rows: Sequence[Row]) -> str:
    """Name each row by what distinguishes it, and return the heading of these names."""
    ours = [row for row in rows if _config(row.entries[0])]
    firsts = [row.entries[0] for row in ours]
    heading, said = variants([{**_config(e), **_conditions(e)} for e in firsts])
    for row in rows:  # images of other systems and single experiments keep their names
        row.variant = row.experiment
    for row, variant in zip(ours, said, strict=True):
        if variant:
            row.variant = variant
    return heading if any(said) else "experiment"


def cannot_be_told_apart(a: Sequence[float], b: Sequence[float]) -> bool:
    """Return True if Welch's t-test finds no difference of the means, or cannot be computed.

    It needs two values on each side. Welch, 1947, Biometrika 34; two-sided, at 5 %.
    """
    if min(len(a), len(b)) < 2:
        return True
    errors = [statistics.variance(x) / len(x) for x in (a, b)]
    if sum(errors) == 0:
        return statistics.fmean(a) == statistics.fmean(b)
    from scipy.special import stdtr

    t = abs(statistics.fmean(a) - statistics.fmean(b)) / math.sqrt(sum(errors))
    freedom = sum(errors) ** 2 / sum(
        error**2 / (len(x) - 1) for error, x in zip(errors, (a, b), strict=True)
    )
    return bool(2 * stdtr(freedom, -t) > SIGNIFICANT)


def _conditions(entry: Entry) -> dict[str, Any]:
    """Return the conditions that all entries of a row share, apart from the experiment.

    The status is one of them: the last weights of an interrupted run are not those of a finished
    one.
    """
    return {
        "weights": entry.checkpoint["weights"],
        "bn": entry.eval_spec.bn,
        "truncation": entry.eval_spec.truncation,
        "status": entry.info.get("status") if entry.choice.startswith("last") else None,
    }


def _config(entry: Entry) -> Mapping[str, Any]:
    config: Mapping[str, Any] = entry.info.get("config", {})
    return config


def _costs(info: Mapping[str, Any]) -> dict[str, float | None]:
    progress = info.get("progress", {})
    seconds, images = progress.get("seconds", 0), progress.get("images", 0)
    peaks = [session.get("peak_memory_bytes") for session in info.get("sessions", [])]
    return {
        "images_per_second": images / seconds if seconds else None,
        "seconds": seconds or None,
        "peak_memory_bytes": max((peak for peak in peaks if peak), default=None),
        "parameters": sum(info.get("parameters", {}).values()) or None,
    }


def _real_baselines(entries: Sequence[Entry]) -> dict[str, dict[str, dict[str, float]]]:
    found: dict[str, dict[str, dict[str, float]]] = {}
    for entry in entries:
        for metric, answer in entry.answer.items():
            for name, values in answer["real_baselines"].items():
                found.setdefault(name, {})[metric] = values
    return found


def _warnings(entries: Sequence[Entry]) -> list[str]:
    warnings = []
    for name in MOVING:
        seen = {
            str(answer["environment"].get(name))
            for entry in entries
            for answer in entry.answer.values()
            if name in answer.get("environment", {})
        }
        if len(seen) > 1:
            warnings.append(f"scores here come from different {name}: {', '.join(sorted(seen))}")
    return warnings
