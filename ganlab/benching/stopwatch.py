"""Measure the time of each part of a step, on the host's clock or with CUDA events."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import torch

PARTS = ("data", "discriminator", "generator", "optimizer", "rest")
"""The parts of a step. Generating images for D's update counts as D's time."""


@dataclass(frozen=True)
class Turn:
    """The times of some consecutive steps."""

    steps: int
    seconds: float
    """From the start of the first step until the device has finished the last one."""

    host_seconds: float
    """Until the host has launched all steps; less than ``seconds`` if the GPU is behind."""

    parts: dict[str, float]
    """The seconds of each of `PARTS`, which sum to ``seconds``."""


class Stopwatch:
    """Divides the time between start and stop among the parts of a step.

    On a GPU, marks are CUDA events, so that only `stop` waits for the device.
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
        """Attribute the time since the last mark to ``part``."""
        if self.running and not self._captures():
            self._marks.append((part, self._now()))

    def stop(self, steps: int) -> Turn:
        """Stop and return the times. The time after the last mark counts as ``rest``."""
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
        """Return whether a CUDA graph is being captured, in which an event must not be recorded."""
        return self.device.type == "cuda" and torch.cuda.is_current_stream_capturing()


def synchronize(device: torch.device) -> None:
    """Wait until the device has finished all launched work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
