"""How a board says things, the same as text, as Markdown and as a page. It needs no torch."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from ganlab.evaluation.board import Row, Table
from ganlab.evaluation.protocol import AS_THEY_CAME

ARROWS = {True: " ↑", False: " ↓", None: ""}
COSTS = ("img/s", "minutes", "GB", "Mparam")
UNITS = {"seconds": 60.0, "peak_memory_bytes": 1e9, "parameters": 1e6}
TIED = "cannot be told apart from the row above (Welch's t, p > 0.05; or a single seed)"


def title(table: Table) -> str:
    """Say what a table was measured by."""
    p = table.protocol
    measured = (
        f"{p['extractor']}  N={p['samples']:,} against {p['dataset']} {p['split']} "
        f"({p['reference_images']:,} of {p['image_size']} x {p['image_size']})  "
        f"protocol {table.protocol_id}"
    )
    return "  ".join([measured, *unusual(table)])


def unusual(table: Table) -> Iterator[str]:
    """Say which weights and labels were used, where they are not the usual ones."""
    if table.choice != "last":
        yield f"weights: {table.choice}"
    if table.protocol["labels"] == AS_THEY_CAME:
        yield f"labels {table.protocol['labels']}"


def head(table: Table) -> tuple[str, ...]:
    """Return the headings of `rows`; the last one, of the flags, is there if any is raised."""
    metrics = [f"{name}{ARROWS[higher]}" for name, higher in table.metrics.items()]
    flags = ("",) if flagged(table) else ()
    return ("", table.heading, *metrics, "seeds", *COSTS, *flags)


def flagged(table: Table) -> bool:
    """True if a flag is raised in any row, which takes a column."""
    return any(row.flags for row in table.rows)


def rows(table: Table) -> list[tuple[str, ...]]:
    """Return the cells below `head`: rank, variant, scores, seeds, costs, any flags."""
    told = [_cells(table, row) for row in table.rows]
    if not flagged(table):
        return told
    return [(*said, ", ".join(row.flags)) for said, row in zip(told, table.rows, strict=True)]


def _cells(table: Table, row: Row) -> tuple[str, ...]:
    return (
        f"{row.rank}{' ~' if row.tied else ''}",
        row.variant,
        *(cell(row, name) for name in table.metrics),
        "1 seed" if len(row.seeds) == 1 else str(len(row.seeds)),
        *costs(row).values(),
    )


def cell(row: Row, name: str, value: str | None = None) -> str:
    """Return a score: the mean over training seeds, and their standard deviation."""
    values = row.values(name, value)
    if not values:
        return "-"
    spread = f" ± {statistics.stdev(values):.2g}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.4g}{spread}"


def costs(row: Row) -> dict[str, str]:
    """Return what training took, in the units of `COSTS`."""
    said = {
        name: "-" if value is None else f"{value / UNITS.get(name, 1):,.3g}"
        for name, value in row.costs.items()
    }
    speed = row.costs["images_per_second"]
    said["images_per_second"] = "-" if speed is None else f"{speed:,.0f}"
    return said


def value_names(table: Table, metric: str) -> list[str]:
    """Return the names of a metric's values, itself first: ``prc``, ``precision``, ``recall``."""
    found = [
        entry.answer[metric]["values"]
        for row in table.rows
        for entry in row.entries
        if metric in entry.answer
    ]
    return list(dict.fromkeys([metric, *(name for values in found for name in values)]))


def baseline_counts(real_baselines: dict[str, dict[str, float]]) -> str:
    """Say how many real images were scored against how many."""
    counts = next(iter(real_baselines.values()))
    return f"{int(counts['images']):,} against {int(counts['reference_images']):,}"


def below(table: Table) -> Iterator[str]:
    """Say what real images score, what the marks mean, and what to beware of."""
    for what, metrics in table.real_baselines.items():
        told = [f"{m} {metrics[m][m]:.4g}" for m in table.metrics if m in metrics]
        yield f"real images, {what} ({baseline_counts(metrics)}): {'  '.join(told)}"
    if any(row.tied for row in table.rows):
        yield f"~ {TIED}"
    yield from (f"warning: {warning}" for warning in table.warnings)
