"""What commands make of their options: a `Lab`, and a display of what it does."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ganlab.cli.app import app_of
from ganlab.lab.lab import Lab

if TYPE_CHECKING:
    from ganlab.events import Tell

json_lines_option = click.option(
    "--json-lines",
    is_flag=True,
    help="Print events as lines of JSON on stdout while it runs, for programs.",
)


def lab_of(
    ctx: click.Context,
    *,
    runs_dir: Path | None = None,
    data_root: Path | None = None,
    device: str | None = None,
) -> Lab:
    """Return the lab that these options of a command mean."""
    app = app_of(ctx)
    lab = Lab(runs_dir, data_root, app.folders, device or "auto", arguments=sys.argv[1:])
    if app.loaded is not None:
        lab.plugins = app.loaded
    return lab


@contextmanager
def telling(*, json_lines: bool = False) -> Iterator[Tell]:
    """Show the events that are told inside."""
    from ganlab import display

    shown = display.json_lines() if json_lines else display.auto(echo=echo)
    with shown as tell:
        yield tell


def echo(text: str) -> None:
    """Print a line on stderr."""
    click.echo(text, err=True)
