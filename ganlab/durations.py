"""Durations in words."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """Return seconds as ``45s``, ``2m 05s`` or ``1h 30m``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h {minutes:02d}m"
    return f"{minutes}m {rest:02d}s" if minutes else f"{rest}s"
