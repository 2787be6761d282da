"""Where the time of a step goes, by marks on the host's clock or, on a GPU, on the device's."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import torch

PARTS = ("data", "discriminator", "generator", "optimizer", "rest")
"""What a step consists of. G's images for D's update count as D's."""


@dataclass(frozen=True)
class Turn:
    """Some steps in a row."""

    steps: int
    seconds: float
    """From the first step's start until the device has finished the last one."""

    host_seconds: float
    """Until the host had asked for all of it: on a GPU, less than ``seconds`` if it is ahead."""

    parts: dict[str, float]
    """The seconds of each of `PARTS`, which sum to ``seconds``."""


class Stopwatch:
    """Gives all time between its start and its stop to a part.

    On a GPU the marks are events in its queue: nothing is waited for until the stop.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.running = False
        self._marks: list[tuple[str, Any]] = []
        self._begin = 0.0

    def start(self) -> None:
        synchronize(self.device)
        self.running = True
        self._begin = time.perf_counter()
        self._marks = [("", self._now())]

    def mark(self, part: str) -> None:
        """Say that what happened since the last mark was ``part``."""
        if self.running and not self._captures():
            self._marks.append((part, self._now()))

    def stop(self, steps: int) -> Turn:
        """Return what was measured; what came after the last mark is the rest."""
        host_seconds = time.perf_counter() - self._begin
        synchronize(self.device)
        seconds = time.perf_counter() - self._begin
        self.running = False
        parts = dict.fromkeys(PARTS, 0.0)
        for (_, before), (part, after) in zip(self._marks, self._marks[1:], strict=False):
            parts[part] += self._between(before, after)
        parts["rest"] = seconds - sum(parts[part] for part in PARTS if part != "rest")
        return Turn(steps, seconds, host_seconds, parts)

    def _now(self) -> Any:
        if self.device.type != "cuda":
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def _between(self, before: Any, after: Any) -> float:
        if self.device.type != "cuda":
            return float(after - before)
        return float(before.elapsed_time(after)) / 1000

    def _captures(self) -> bool:
        """True while a CUDA graph is recorded, in which an event would be a part of the graph."""
        return self.device.type == "cuda" and torch.cuda.is_current_stream_capturing()


def synchronize(device: torch.device) -> None:
    """Wait until the device has done all that it was asked for."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
