"""The leaderboard as text."""

from __future__ import annotations

from ganlab.columns import columns
from ganlab.evaluation.board import Table
from ganlab.evaluation.formatting import below, head, rows, title


def text_of(table: Table) -> str:
    """Return a table with what it was measured by above, and what real images score below."""
    return "\n".join([title(table), columns([head(table), *rows(table)]), *below(table)])
