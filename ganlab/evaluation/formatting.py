"""The headings, cells and notes of a board, for text, Markdown and pages. It needs no torch."""

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
    """Describe the protocol of a table in one line."""
    p = table.protocol
    measured = (
        f"{p['extractor']}  N={p['samples']:,} against {p['dataset']} {p['split']} "
        f"({p['reference_images']:,} of {p['image_size']} x {p['image_size']})  "
        f"protocol {table.protocol_id}"
    )
    return "  ".join([measured, *unusual(table)])


def unusual(table: Table) -> Iterator[str]:
    """Describe the weights and labels that were used, where they are not the default."""
    if table.choice != "last":
        yield f"weights: {table.choice}"
    if table.protocol["labels"] == AS_THEY_CAME:
        yield f"labels {table.protocol['labels']}"


def head(table: Table) -> tuple[str, ...]:
    """Return the column headings for `rows`. There is a column of flags only if any is raised."""
    metrics = [f"{name}{ARROWS[higher]}" for name, higher in table.metrics.items()]
    flags = ("",) if flagged(table) else ()
    return ("", table.heading, *metrics, "seeds", *COSTS, *flags)


def flagged(table: Table) -> bool:
    """Return True if a flag is raised in any row."""
    return any(row.flags for row in table.rows)


def rows(table: Table) -> list[tuple[str, ...]]:
    """Return the cells below `head`: rank, variant, scores, seeds, costs and any flags."""
    flags = flagged(table)
    return [
        (*_cells(table, row), ", ".join(row.flags)) if flags else _cells(table, row)
        for row in table.rows
    ]


def _cells(table: Table, row: Row) -> tuple[str, ...]:
    return (
        f"{row.rank}{' ~' if row.tied else ''}",
        row.variant,
        *(cell(row, name) for name in table.metrics),
        "1 seed" if len(row.seeds) == 1 else str(len(row.seeds)),
        *costs(row).values(),
    )


def cell(row: Row, name: str, value: str | None = None) -> str:
    """Return a score as text: the mean over training seeds, and their standard deviation."""
    values = row.values(name, value)
    if not values:
        return "-"
    spread = f" ± {statistics.stdev(values):.2g}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.4g}{spread}"


def costs(row: Row) -> dict[str, str]:
    """Return the costs of training as text, in the units of `COSTS`."""
    texts = {
        name: "-" if value is None else f"{value / UNITS.get(name, 1):,.3g}"
        for name, value in row.costs.items()
    }
    speed = row.costs["images_per_second"]
    texts["images_per_second"] = "-" if speed is None else f"{speed:,.0f}"
    return texts


def value_names(table: Table, metric: str) -> list[str]:
    """Return the names of a metric's values, its own first: ``prc``, ``precision``, ``recall``."""
    found = [
        entry.answer[metric]["values"]
        for row in table.rows
        for entry in row.entries
        if metric in entry.answer
    ]
    return list(dict.fromkeys([metric, *(name for values in found for name in values)]))


def baseline_counts(real_baselines: dict[str, dict[str, float]]) -> str:
    """Return the number of real images that were scored, and of reference images, as text."""
    counts = next(iter(real_baselines.values()))
    return f"{int(counts['images']):,} against {int(counts['reference_images']):,}"


def below(table: Table) -> Iterator[str]:
    """Return the notes below a table: scores of real images, the tie mark, warnings."""
    for split, metrics in table.real_baselines.items():
        scores = [f"{m} {metrics[m][m]:.4g}" for m in table.metrics if m in metrics]
        yield f"real images, {split} ({baseline_counts(metrics)}): {'  '.join(scores)}"
    if any(row.tied for row in table.rows):
        yield f"~ {TIED}"
    yield from (f"warning: {warning}" for warning in table.warnings)
