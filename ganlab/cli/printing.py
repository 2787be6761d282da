"""Print boards and curves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ganlab.columns import columns
from ganlab.files import write_atomically
from ganlab.run_directory import writing

if TYPE_CHECKING:
    from ganlab.lab.scoring import Scoring
    from ganlab.results import Board
    from ganlab.run_directory import RunDirectory


def print_board(board: Board, form: str | None = None, html: Path | None = None) -> None:
    """Print the tables of a board, and write the page if one is wanted."""
    forms = {"json": board.to_json, "csv": board.to_csv, "markdown": board.to_markdown}
    click.echo(forms[form]() if form else str(board))
    if html is not None:
        with writing(html):
            write_atomically(html, board.to_html().encode())
        click.echo(f"page     {html}", err=True)


def print_curves(scoring: Scoring, runs: Sequence[RunDirectory], *, strict: bool) -> None:
    """Print the curves of runs; with ``strict`` each of them must have one."""
    from ganlab.lab.curves import curves

    for curve in curves(scoring, runs, strict=strict):
        scores = zip(*curve.scores.values(), strict=True)  # of each epoch, by metric
        rows = [
            (str(epoch), *(f"{score:.4g}" for _, score in of_one))
            for epoch, of_one in zip(curve.epochs, scores, strict=True)
        ]
        click.echo(f"{curve.run.name}\n{columns([('epoch', *curve.scores), *rows])}")
        click.echo(f"curve    {curve.picture}", err=True)
