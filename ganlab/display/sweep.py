"""What is shown of several runs: one overall line, and the lines of each run below its number."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Self

from ganlab.display.estimate import TimeLeft
from ganlab.display.lines import Echo, Lines, to_stderr
from ganlab.durations import duration
from ganlab.events import (
    Event,
    RunFailed,
    RunFinished,
    RunPrinted,
    RunStarted,
    RunTold,
    SweepPlanned,
    Tell,
    from_data,
)


class SweepDisplay:
    """Shows events of a sweep as lines. Other events go to ``inner``, such as scoring.

    Runs that are trained at the same time have their number before each line. A single one is
    shown by ``inner`` or, brief, in lines of its own.
    """

    def __init__(
        self,
        inner: Tell,
        *,
        echo: Echo = to_stderr,
        title: Echo | None = None,
        warn: Echo | None = None,
        live: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.inner = inner
        self.echo = echo
        self.title = title or echo
        self.warn = warn or (lambda text: echo(f"warning: {text}"))
        self.live = live
        self._plan = SweepPlanned([], [], [], parallel=False)
        self._lines: dict[int, Tell] = {}
        self._done: set[int] = set()
        self._failed: set[int] = set()
        self._started: set[int] = set()
        self._announced = 0
        self._reasons: set[str] = set()
        self._left = TimeLeft(clock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __call__(self, event: Event) -> None:
        self._left.note(event)
        match event:
            case SweepPlanned():
                self._plan = event
                if len(event.finished) == len(event.titles):
                    self._announce_finished()
            case RunStarted():
                self._start(event)
            case RunTold():
                self._of_run(event.number)(from_data(event.told))
            case RunPrinted():
                self.echo(f"{self._mark(event.number)} {event.text}")
            case RunFinished():
                self._done.add(event.number)
                if self._plan.parallel:
                    self.echo(f"{self._mark(event.number)} finished")
                self._overall()
            case RunFailed():
                self._failed.add(event.number)
                self._fail(event)
                self._overall()
            case _:
                self.inner(event)

    # --------------------------------------------------------------------------- overall

    def _overall(self) -> None:
        """Print how many runs are finished and how long the others take."""
        total = len(self._plan.titles)
        finished = len(self._plan.finished) + len(self._done)
        open_runs = total - finished - len(self._failed)
        if not open_runs:
            self._announce_finished()
        elif total > 1:
            left = self._left.of_sweep()
            about = "" if left is None else f", about {duration(left)} left"
            self.echo(f"{finished} of {total} finished{about}")

    # ------------------------------------------------------------------------------ runs

    def _of_run(self, number: int) -> Tell:
        """Return what shows the events of one run."""
        if number not in self._lines:
            if not self._plan.parallel and self.live:
                self._lines[number] = self.inner
            else:
                mark = f"{self._mark(number)} " if self._plan.parallel else ""
                self._lines[number] = Lines(lambda text: self.echo(mark + text), brief=True)
        return self._lines[number]

    def _announce_finished(self, before: int | None = None) -> None:
        """Say which runs need no training, of those that come before a number."""
        before = before or len(self._plan.titles) + 1
        for number in range(self._announced + 1, before):
            if number in self._plan.finished:
                self._announce(number, " finished already")
        self._announced = max(self._announced, before - 1)

    def _start(self, event: RunStarted) -> None:
        self._announce_finished(event.number)
        where = f" on {event.where}" if event.where else ""
        if event.number in self._started:
            again = f"started again{where}: its worker was lost"
            self.echo(f"{self._mark(event.number)} {again}")
        else:
            self._started.add(event.number)
            self._announce(event.number, where)

    def _announce(self, number: int, more: str) -> None:
        title, folder = self._plan.titles[number - 1], self._plan.folders[number - 1]
        if self._plan.parallel:
            self.echo(f"{self._mark(number)} {title}: {folder}{more}")
            return
        self.title(f"{self._mark(number)} {title}")
        self.echo(f"run            {folder}")
        if more:
            self.echo(more.strip())

    def _fail(self, event: RunFailed) -> None:
        known = event.reason in self._reasons
        if event.traceback and not known:  # a bug: its place is needed to mend it
            self.echo(event.traceback.rstrip())
        mark = f"{self._mark(event.number)} " if self._plan.parallel else ""
        self.warn(f"{mark}failed like one before" if known else f"{mark}failed: {event.reason}")
        self._reasons.add(event.reason)

    def _mark(self, number: int) -> str:
        return f"[{number}/{len(self._plan.titles)}]"
