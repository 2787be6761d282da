"""The leaderboard of one evaluation as an object."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from ganlab.errors import RunError
from ganlab.evaluation import formatting, pages
from ganlab.evaluation.board import Entry, Table, tables
from ganlab.results import html
from ganlab.results.record_list import Records

if TYPE_CHECKING:
    from pandas import DataFrame

NAMED = 3
"""`repr` names this many rows."""


class Board:
    """The tables of one evaluation: one for each protocol and choice of weights.

    Iterating over a board gives its tables, whose ``rows`` are ranked by the first metric. Scores
    of different tables do not compare. ``print(board)`` prints what ``ganlab eval`` prints, and a
    notebook displays the tables.
    """

    def __init__(self, tables: Iterable[Table], *, failed: Sequence[str] = ()) -> None:
        self.tables = tuple(tables)
        self.failed = tuple(failed)
        """The runs of a sweep that could not be trained, each with its reason."""

    @classmethod
    def of(cls, entries: Sequence[Entry], *, failed: Sequence[str] = ()) -> Board:
        """Return the board of these scored runs. Raises `RunError` if there is none."""
        if not entries:
            raise RunError("no run could be scored")
        return cls(tables(entries), failed=failed)

    def __iter__(self) -> Iterator[Table]:
        return iter(self.tables)

    def __len__(self) -> int:
        """Return the number of tables."""
        return len(self.tables)

    def __getitem__(self, index: int) -> Table:
        return self.tables[index]

    @property
    def rows(self) -> Records:
        """The rows of all tables as flat records, the best of each table first.

        Keys: ``protocol_id``, ``weights_of`` (``last``, ``best``, ``epoch 12``), ``rank`` from 1,
        ``tied`` (True if the row cannot be told apart from the one above it), ``variant_of``,
        ``variant``, ``experiment``, ``seeds`` (the training seeds), each score as ``fid`` (mean
        over training seeds) and ``fid_sd`` (standard deviation; None for one seed), ``flags``,
        ``images_per_second``, ``seconds`` (training time), ``peak_memory_bytes``, ``parameters``,
        and ``runs`` (folders). What was not measured is None.
        """
        return Records(pages.to_records(self.tables))

    def to_frame(self) -> DataFrame:
        """Return `rows` as a `pandas.DataFrame`; raise `GanlabError` if pandas is not installed."""
        return self.rows.to_frame()

    def to_markdown(self) -> str:
        """Return a Markdown table for each table, with its protocol and what real images score."""
        return pages.to_markdown(self.tables)

    def to_html(self) -> str:
        """Return a complete page with the pictures and curves of the runs; it needs no network."""
        return pages.to_html(self.tables)

    def to_csv(self) -> str:
        """Return `rows` as CSV."""
        return pages.to_csv(self.tables)

    def to_json(self) -> str:
        """Return every table with its protocol, and rows with a value for each training seed."""
        return json.dumps([table.as_data() for table in self.tables], indent=2)

    def __str__(self) -> str:
        return pages.to_text(self.tables)

    def __repr__(self) -> str:
        count = sum(len(table.rows) for table in self.tables)
        if not count:
            return "Board(no rows)"
        parts = [f"{len(self)} tables"] if len(self) > 1 else []
        parts.append(f"{count} {'row' if count == 1 else 'rows'}")
        best = "; ".join(map(_best, self.tables))
        return f"Board({', '.join(parts)}: {best})"

    def _repr_html_(self) -> str:
        return "".join(map(_html, self.tables))


def _best(table: Table) -> str:
    """Return the first rows of a table with their score: ``fid cbn 28.2 ± 1.1, concat 31.4``."""
    metric = next(iter(table.metrics))
    told = [f"{row.variant} {formatting.cell(row, metric)}" for row in table.rows[:NAMED]]
    return f"{metric} {', '.join(told)}{', ...' if len(table.rows) > NAMED else ''}"


def _html(table: Table) -> str:
    return (
        html.paragraph(formatting.title(table), strong=True)
        + html.table(formatting.head(table), formatting.rows(table))
        + html.bullets(list(formatting.below(table)))
    )
