"""How long the rest takes: one estimate for every display."""

from __future__ import annotations

import time
from collections.abc import Callable

from ganlab.events import (
    Event,
    PhaseAdvanced,
    PhaseEnded,
    PhaseStarted,
    Progressed,
    RunFailed,
    RunFinished,
    RunPlanned,
    RunTold,
    SweepPlanned,
    from_data,
)


class TimeLeft:
    """Estimates the seconds that a run, a sweep, or a phase still takes.

    All estimates use the time on the clock: scores and sheets that take time between two steps
    make the estimate of a run longer.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._first: tuple[float, float] | None = None
        self._last: tuple[float, float] | None = None
        self._phases: list[tuple[PhaseStarted, float, int]] = []
        self._sweep_began = clock()
        self._open: dict[int, float] = {}
        self._ended = 0
        self._sweep: tuple[int, int] | None = None

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
            case SweepPlanned():
                numbers = set(range(1, len(event.titles) + 1)) - set(event.finished)
                self._sweep_began, self._open, self._ended = self._clock(), {}, 0
                self._open |= dict.fromkeys(sorted(numbers), 0.0)
                self._sweep = (len(event.finished), len(event.titles))
            case RunTold():
                told = from_data(event.told)
                if isinstance(told, Progressed) and event.number in self._open:
                    self._open[event.number] = min(1.0, told.share)
            case RunFinished() | RunFailed():
                self._open.pop(event.number, None)
                self._ended += 1
                if isinstance(event, RunFinished) and self._sweep is not None:
                    self._sweep = (self._sweep[0] + 1, self._sweep[1])

    def of_sweep(self) -> float | None:
        """Return the seconds until all runs of a sweep have ended; None before the first has."""
        if not (self._ended and self._open):
            return None
        begun = sum(self._open.values())
        pace = (self._clock() - self._sweep_began) / (self._ended + begun)
        return pace * (len(self._open) - begun)

    def of_run(self) -> float | None:
        """Return the seconds until the run's budget is used up; None while that is unknown."""
        if self._first is None or self._last is None or self._last[1] <= self._first[1]:
            return None
        if self._last[1] >= 1:
            return None
        pace = (self._last[0] - self._first[0]) / (self._last[1] - self._first[1])
        return max(0.0, (1 - self._last[1]) * pace - (self._clock() - self._last[0]))

    def of_phase(self) -> float | None:
        """Return the seconds until the outermost phase with a known pace ends, or None."""
        for started, begin, done in self._phases:
            if started.total and done:
                return (self._clock() - begin) / done * (started.total - done)
        return None

    @property
    def phases(self) -> list[tuple[PhaseStarted, int]]:
        """The phases under way, the outermost first, each with the number of units done."""
        return [(started, done) for started, _, done in self._phases]

    @property
    def sweep(self) -> tuple[int, int] | None:
        """How many runs of a sweep are finished, and how many there are."""
        return self._sweep
