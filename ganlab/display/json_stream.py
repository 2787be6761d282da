"""Events as lines of JSON, for programs."""

from __future__ import annotations

import json
import time
from typing import Self, TextIO

from ganlab.events import Event, to_data


class JsonLines:
    """Writes each event as one line: its fields, its name under ``event``, seconds since start."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self._start = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stream.flush()

    def __call__(self, event: Event) -> None:
        at = round(time.monotonic() - self._start, 3)
        self.stream.write(json.dumps({"at": at, **to_data(event)}) + "\n")
        self.stream.flush()
