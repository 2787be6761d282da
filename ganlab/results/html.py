"""Small pieces of HTML for notebooks: everything is escaped, and nothing needs a script."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table; cells are formatted by `cell_text`."""
    lines = [_row("th", head), *(_row("td", map(cell_text, row)) for row in rows)]
    return f"<table>{''.join(lines)}</table>"


def cell_text(value: object) -> str:
    """Format a value: four significant digits, nothing for None, commas between list entries."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def paragraph(text: str, *, strong: bool = False) -> str:
    """Return a line of text."""
    return f"<p><strong>{escape(text)}</strong></p>" if strong else f"<p>{escape(text)}</p>"


def bullets(texts: Sequence[str]) -> str:
    """Return a bulleted list; empty for no texts."""
    return f"<ul>{''.join(f'<li>{escape(text)}</li>' for text in texts)}</ul>" if texts else ""


def inline_png(data: bytes, *, alt: str) -> str:
    """Return an image whose data is part of the HTML."""
    encoded = base64.b64encode(data).decode()
    return f'<img src="data:image/png;base64,{encoded}" alt="{escape(alt)}">'


def _row(tag: str, cells: Iterable[str]) -> str:
    return f"<tr>{''.join(f'<{tag}>{escape(cell)}</{tag}>' for cell in cells)}</tr>"
