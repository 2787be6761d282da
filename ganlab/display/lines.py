"""Plain lines, for a pipe, a log file, or a machine without a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, Self

from ganlab.display.estimate import TimeLeft
from ganlab.display.wording import numbers, phase_line, position, printed, score_line
from ganlab.events import (
    Event,
    Logged,
    PhaseAdvanced,
    Progressed,
    RunEnded,
    RunPlanned,
    Scored,
    SheetDrawn,
)

BRIEF_SECONDS = 60
SLOW_SECONDS = 20
"""A phase that takes longer than this gets a line, and another one each minute."""

Echo = Callable[[str], None]


def to_stderr(text: str) -> None:
    """Print a line on stderr."""
    print(text, file=sys.stderr, flush=True)


class Lines:
    """A line for each log interval, in the manner of the DCGAN tutorial.

    ``brief``, for one of several runs: scores, the last numbers, and before them a line a minute.
    """

    def __init__(
        self,
        echo: Echo = to_stderr,
        *,
        brief: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.echo = echo
        self._clock = clock
        self.brief = brief
        self._plan: RunPlanned | None = None
        self._at: Progressed | None = None
        self._record: Mapping[str, Any] | None = None
        self._shown = self._clock()
        self._left = TimeLeft(clock)
        self._phase_line = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._flush()

    def __call__(self, event: Event) -> None:
        self._left.note(event)
        if not (self.brief and isinstance(event, RunPlanned)):
            for line in printed(event):
                self.echo(line)
        match event:
            case RunPlanned():
                self._plan, self._shown = event, self._clock()
            case Progressed():
                self._at = event
            case Logged():
                self._record = event.record
                if not self.brief or self._clock() - self._shown > BRIEF_SECONDS:
                    self._flush()
            case SheetDrawn() if not self.brief:
                self.echo(f"drew {event.path}")
            case Scored():
                self.echo(f"scored {score_line(event.scores)}")
            case RunEnded():
                self._flush()
            case PhaseAdvanced():
                self._tell_slow_phase()

    def _flush(self) -> None:
        """Print the numbers that wait."""
        if self._record is not None and self._plan is not None and self._at is not None:
            self.echo(f"{position(self._plan, self._at)} {numbers(self._record)}")
            self._record, self._shown = None, self._clock()

    def _tell_slow_phase(self) -> None:
        """Print how far a phase is that takes long."""
        left, now = self._left.of_phase(), self._clock()
        if left is None or left < SLOW_SECONDS or now - self._phase_line < BRIEF_SECONDS:
            return
        self._phase_line = now
        self.echo(f"  {phase_line(self._left.phases, left)}")
