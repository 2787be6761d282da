"""The leaderboard as text, rows, CSV, Markdown, and one page for a browser. It needs no torch."""

from __future__ import annotations

import csv
import io
import re
import statistics
from collections.abc import Callable, Sequence
from functools import partial
from importlib.resources import files
from typing import Any

from ganlab.columns import columns
from ganlab.evaluation import formatting
from ganlab.evaluation.board import COSTS, Row, Table

Column = tuple[str, Callable[[Table, Row], object]]
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet may run a text that begins with one of these as a formula."""

BEFORE_SCORES: tuple[Column, ...] = (
    ("protocol_id", lambda table, row: table.protocol_id),
    ("weights_of", lambda table, row: table.choice),
    ("rank", lambda table, row: row.rank),
    ("tied", lambda table, row: row.tied),
    ("variant_of", lambda table, row: table.heading),
    ("variant", lambda table, row: row.variant),
    ("experiment", lambda table, row: row.experiment),
    ("seeds", lambda table, row: row.seeds),
)


def to_text(tables: Sequence[Table]) -> str:
    """Return the tables in aligned columns, with the protocol above and real images below each."""
    return "\n\n".join(map(_text, tables))


def _text(table: Table) -> str:
    rows = [formatting.head(table), *formatting.rows(table)]
    return "\n".join([formatting.title(table), columns(rows), *formatting.below(table)])


def to_records(tables: Sequence[Table]) -> list[dict[str, Any]]:
    """Return one flat record for each row of each table, all with the same keys.

    Scores are means over training seeds; ``fid_sd`` is the standard deviation over them, None for
    one seed. Where a metric has a value of that name itself, it is ``kid_sd_over_seeds``. Training
    time is in seconds, peak memory in bytes. ``seeds``, ``flags`` and ``runs`` are lists.
    """
    named = _columns(tables)
    return [
        {name: value_of(table, row) for name, value_of in named}
        for table in tables
        for row in table.rows
    ]


def to_csv(tables: Sequence[Table]) -> str:
    """Return `to_records` as CSV: the number of seeds, and ``; `` between entries of a list."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([_harmless(name) for name, _ in _columns(tables)])
    writer.writerows(
        [_harmless(_csv_cell(name, value)) for name, value in record.items()]
        for record in to_records(tables)
    )
    return buffer.getvalue().rstrip("\n")


def _csv_cell(name: str, value: Any) -> object:
    if name == "seeds":
        return len(value)
    if isinstance(value, bool):
        return str(value).lower()
    return "; ".join(value) if isinstance(value, list) else value


def _columns(tables: Sequence[Table]) -> list[Column]:
    return [
        *BEFORE_SCORES,
        *_score_columns(tables),
        ("flags", lambda table, row: row.flags),
        *((name, partial(_cost, name)) for name in COSTS),
        ("runs", lambda table, row: [str(entry.folder) for entry in row.entries]),
    ]


def _score_columns(tables: Sequence[Table]) -> list[Column]:
    names = [
        (metric, value)
        for metric in dict.fromkeys(metric for table in tables for metric in table.metrics)
        for value in dict.fromkeys(v for t in tables for v in formatting.value_names(t, metric))
    ]
    taken = {value for _, value in names}
    return [
        column
        for metric, value in names
        for column in (
            (value, partial(_mean, metric, value)),
            (
                f"{value}_sd_over_seeds" if f"{value}_sd" in taken else f"{value}_sd",
                partial(_spread, metric, value),
            ),
        )
    ]


def _mean(metric: str, value: str, table: Table, row: Row) -> float | None:
    values = row.values(metric, value)
    return statistics.fmean(values) if values else None


def _spread(metric: str, value: str, table: Table, row: Row) -> float | None:
    values = row.values(metric, value)
    return statistics.stdev(values) if len(values) > 1 else None


def _cost(name: str, table: Table, row: Row) -> float | None:
    return row.costs[name]


def _harmless(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell


def to_markdown(tables: Sequence[Table]) -> str:
    """Return Markdown tables, each with its protocol above and its notes below."""
    return "\n\n".join(map(_markdown, tables))


def _markdown(table: Table) -> str:
    head, rows = formatting.head(table), formatting.rows(table)
    words = {1, len(head) - 1 if formatting.flagged(table) else 1}
    rule = [":--" if column in words else "--:" for column in range(len(head))]
    lines = [_line(head), f"| {' | '.join(rule)} |", *map(_line, rows)]
    notes = "\n".join(f"* {_plain(note)}" for note in formatting.below(table))
    title = f"**{_plain(formatting.title(table))}**"
    return "\n\n".join(part for part in (title, "\n".join(lines), notes) if part)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(_plain, cells))} |"


def _plain(text: str) -> str:
    """Escape the characters that Markdown interprets; a line break becomes a space."""
    return re.sub(r"([\\`*\[\]<>|])", r"\\\1", re.sub(r"\s+", " ", text))


def to_html(tables: Sequence[Table]) -> str:
    """Return a self-contained page, with its pictures, styles and script inside."""
    from jinja2 import DictLoader, Environment, StrictUndefined

    from ganlab.evaluation.page_data import page_of

    here = files("ganlab.evaluation")
    parts = ("board.html.j2", "board.css", "board.js")
    environment = Environment(
        loader=DictLoader({name: (here / name).read_text("utf-8") for name in parts}),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("board.html.j2").render(page=page_of(tables))
