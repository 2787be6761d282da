"""How long the rest takes: one estimate for every display."""

from __future__ import annotations

import time
from collections.abc import Callable

from ganlab.events import Event, PhaseAdvanced, PhaseEnded, PhaseStarted, Progressed, RunPlanned


class TimeLeft:
    """Estimates the seconds that a run, or the innermost phase, still takes.

    Both go by the time on the clock: scores and sheets of a run that take time between two steps
    make its estimate longer.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._first: tuple[float, float] | None = None
        self._last: tuple[float, float] | None = None
        self._phases: list[tuple[PhaseStarted, float, int]] = []

    def note(self, event: Event) -> None:
        """Take an event into account."""
        match event:
            case RunPlanned():
                self._first = self._last = None
            case Progressed():
                self._last = (self._clock(), event.share)
                self._first = self._first or self._last
            case PhaseStarted():
                self._phases.append((event, self._clock(), 0))
            case PhaseAdvanced() if self._phases:
                started, begin, _ = self._phases[-1]
                self._phases[-1] = (started, begin, event.done)
            case PhaseEnded() if self._phases:
                self._phases.pop()

    def of_run(self) -> float | None:
        """Return the seconds until the run's budget is used up; None while that is unknown."""
        if self._first is None or self._last is None or self._last[1] <= self._first[1]:
            return None
        pace = (self._last[0] - self._first[0]) / (self._last[1] - self._first[1])
        return max(0.0, (1 - self._last[1]) * pace - (self._clock() - self._last[0]))

    def of_phase(self) -> float | None:
        """Return the seconds until the innermost phase ends; None while that is unknown."""
        if not self._phases:
            return None
        started, begin, done = self._phases[-1]
        if not started.total or not done:
            return None
        return (self._clock() - begin) / done * (started.total - done)

    @property
    def phase(self) -> tuple[PhaseStarted, int] | None:
        """The innermost phase, and how many of its units are done."""
        return (self._phases[-1][0], self._phases[-1][2]) if self._phases else None
