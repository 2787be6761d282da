"""Lines on stderr: progress, headings and warnings.

They are printed by `print`: rich's live display redirects it to the lines above the display, while
`click.echo` writes to the terminal directly.
"""

from __future__ import annotations

import sys
from typing import Any

import click


def echo(text: str, **style: Any) -> None:
    """Print a line on stderr; on a terminal, in the style that `click.style` takes."""
    styled = click.style(text, **style) if style and sys.stderr.isatty() else text
    print(styled, file=sys.stderr, flush=True)


def title(text: str) -> None:
    """Print a heading on stderr."""
    echo(text, bold=True)


def warn(message: str) -> None:
    """Print a warning on stderr."""
    echo(f"warning: {message}", fg="yellow")
