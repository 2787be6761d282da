"""Capture printed lines, to show them elsewhere."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any


class _Lines(io.RawIOBase):
    """Forwards complete lines. Of a progress bar, it forwards only the last state."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say
        self.rest = b""

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        *lines, self.rest = (self.rest + bytes(data)).split(b"\n")
        for line in lines:
            self.say(line.rstrip(b"\r").rpartition(b"\r")[2].decode(errors="replace"))
        return len(data)

    def close(self) -> None:
        if self.rest:
            self.write(b"\n")
        super().close()


def line_stream(say: Callable[[str], None]) -> io.TextIOWrapper:
    """Return a stream that passes every line to ``say``."""
    return io.TextIOWrapper(io.BufferedWriter(_Lines(say)), encoding="utf-8", line_buffering=True)


@contextmanager
def printing(say: Callable[[str], None]) -> Iterator[None]:
    """Pass every line that is printed in the block to ``say``."""
    with line_stream(say) as stream, redirect_stderr(stream), redirect_stdout(stream):
        yield
