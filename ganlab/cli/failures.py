"""Errors as the command line prints them: one line, and details indented below."""

from __future__ import annotations

import time
import traceback
from pathlib import Path

import click

from ganlab.errors import GanlabError, UnexpectedError
from ganlab.files import cache_dir


class Failure(click.ClickException):
    """A `GanlabError` as click prints it, with its own exit code."""

    def __init__(self, error: GanlabError) -> None:
        super().__init__(_text(error))
        self.exit_code = error.exit_code  # type: ignore[misc]  # click reads it from instances


def _text(error: GanlabError) -> str:
    """Return the message, with the file that keeps the traceback of an unexpected error."""
    if not isinstance(error, UnexpectedError):
        return str(error)
    file = _keep("".join(traceback.format_exception(error)))
    return str(error) if file is None else f"{error}\n  traceback: {file}"


def _keep(text: str) -> Path | None:
    """Write a traceback into the cache; return None if it cannot be written."""
    file = cache_dir() / "tracebacks" / f"{time.strftime('%Y-%m-%d-%H%M%S')}.txt"
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.write_text(text)
    except OSError:
        return None
    return file
