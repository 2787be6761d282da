"""Handling of SIGINT (Ctrl-C) and SIGTERM: a run saves its state before it stops."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any


@contextmanager
def stop_signals() -> Iterator[list[int]]:
    """Collect SIGINT and SIGTERM in the yielded list; a second signal interrupts immediately.

    Python delivers signals only to the main thread, so other threads collect none.
    """
    stopped: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield stopped
        return

    def stop(number: int, frame: FrameType | None) -> None:
        stopped.append(number)
        if len(stopped) > 1:
            raise KeyboardInterrupt

    before: Sequence[tuple[int, Any]] = [
        (number, signal.signal(number, stop)) for number in (signal.SIGINT, signal.SIGTERM)
    ]
    try:
        yield stopped
    finally:
        for number, handler in before:
            signal.signal(number, handler)
