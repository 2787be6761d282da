"""What commands make of their options: a `Lab`, and a display of what it does."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ganlab.cli.app import App, app_of
from ganlab.cli.stderr import echo
from ganlab.lab.lab import Lab

if TYPE_CHECKING:
    from ganlab.events import Tell
    from ganlab.plugins import Plugins


class CommandLab(Lab):
    """A lab that shares the plugins of a command, which loads them and warns about them once."""

    def __init__(self, app: App, *options: Any, **more: Any) -> None:
        super().__init__(*options, **more)
        self.app = app

    def load_plugins(self, *, silent: Sequence[Path] = ()) -> Plugins:
        """Load the plugins, with a warning for each that failed but is not in ``silent``."""
        return self.app.plugins(silent=silent)


def lab_of(
    ctx: click.Context,
    *,
    runs_dir: Path | None = None,
    data_root: Path | None = None,
    device: str | None = None,
) -> Lab:
    """Return the lab that these options of a command mean."""
    app = app_of(ctx)
    return CommandLab(
        app, runs_dir, data_root, app.folders, device or "auto", arguments=sys.argv[1:]
    )


@contextmanager
def telling(*, json_lines: bool = False) -> Iterator[Tell]:
    """Show the events that are told inside."""
    from ganlab import display

    shown = display.json_lines() if json_lines else display.auto(echo=echo)
    with shown as tell:
        yield tell
