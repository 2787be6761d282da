"""Displays: consumers of events. Each is a context manager that gives a callable ``tell``.

`auto` chooses: a live display on a terminal, one that updates itself in a notebook, plain lines
elsewhere. `JsonLines` writes events for programs.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ganlab.display.lines import Echo, Lines, to_stderr

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from ganlab.display.sweep import SweepDisplay
    from ganlab.events import Tell

__all__ = ["auto", "for_sweep", "json_lines"]


def auto(*, echo: Echo = to_stderr) -> AbstractContextManager[Tell]:
    """Return the display that fits: ``with auto() as tell: lab.train(..., tell=tell)``.

    ``echo`` prints a line where plain lines are the choice.
    """
    if _in_notebook():
        from ganlab.display.notebook import NotebookDisplay

        return NotebookDisplay()
    if sys.stderr.isatty():
        from ganlab.display.live import LiveDisplay

        return LiveDisplay()
    return Lines(echo)


def for_sweep(
    inner: Tell, *, echo: Echo = to_stderr, title: Echo | None = None, warn: Echo | None = None
) -> SweepDisplay:
    """Return the display of several runs, given the one that `auto` returned.

    ``echo`` prints a line, ``title`` the heading of a run, ``warn`` a warning.
    """
    from ganlab.display.sweep import SweepDisplay

    panel = None
    if sys.stderr.isatty():
        from ganlab.display.live import LiveDisplay

        if isinstance(inner, LiveDisplay):
            panel, echo = inner, inner.print
    return SweepDisplay(inner, echo=echo, title=title, warn=warn, panel=panel)


def json_lines() -> AbstractContextManager[Tell]:
    """Return a display that writes each event to stdout as a line of JSON."""
    from ganlab.display.json_stream import JsonLines

    return JsonLines(sys.stdout)


def _in_notebook() -> bool:
    """Return True in a Jupyter kernel, which has no terminal."""
    shell = sys.modules.get("IPython")
    found = shell.get_ipython() if shell is not None else None
    return found is not None and type(found).__name__ == "ZMQInteractiveShell"
