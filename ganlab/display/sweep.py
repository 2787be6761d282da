"""The display of several runs: one overall line, and the lines of each run marked by its number.

On a terminal, the overall line and one line for each run under way stay at the bottom.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Self

from ganlab.display.estimate import TimeLeft
from ganlab.display.lines import Echo, Lines, to_stderr
from ganlab.display.wording import phase_line, position, printed, score_line, sweep_line, time_left
from ganlab.events import (
    Event,
    Progressed,
    RunFailed,
    RunFinished,
    RunPlanned,
    RunPrinted,
    RunStarted,
    RunTold,
    Scored,
    SweepPlanned,
    Tell,
    from_data,
)

if TYPE_CHECKING:
    from ganlab.display.live import LiveDisplay


class RunRow:
    """One of several runs that are trained at the same time: a line with its progress.

    Messages and scores are printed.
    """

    def __init__(self, title: str, echo: Echo) -> None:
        self.title = title
        self.echo = echo
        self._left = TimeLeft()
        self._plan: RunPlanned | None = None
        self._at: Progressed | None = None

    def __call__(self, event: Event) -> None:
        self._left.note(event)
        match event:
            case RunPlanned():
                self._plan = event
            case Progressed():
                self._at = event
            case Scored():
                self.echo(f"scored {score_line(event.scores)}")
            case _:
                for line in printed(event):
                    self.echo(line)

    def text(self) -> str:
        """Return ``[2/4] conditioning=none  [3/40][5/12]  45 %, about 1m 02s left``."""
        parts = [self.title]
        if self._plan is not None and self._at is not None:
            share = f"{100 * min(1.0, self._at.share):.0f} %{time_left(self._left.of_run())}"
            parts += [position(self._plan, self._at), share]
        if phases := self._left.phases:
            parts.append(phase_line(phases, self._left.of_phase()))
        return "  ".join(parts)


class SweepDisplay:
    """Shows events of a sweep as lines. Other events go to ``inner``, such as scoring.

    Lines of runs that are trained at the same time begin with the number of the run. A single run
    is shown by ``panel`` on a terminal, and elsewhere by a few lines.
    """

    def __init__(
        self,
        inner: Tell,
        *,
        echo: Echo = to_stderr,
        title: Echo | None = None,
        warn: Echo | None = None,
        panel: LiveDisplay | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.inner = inner
        self.echo = echo
        self.title = title or echo
        self.warn = warn or (lambda text: echo(f"warning: {text}"))
        self.panel = panel
        self._plan = SweepPlanned([], [], [], parallel=False)
        self._lines: dict[int, Tell] = {}
        self._rows: dict[int, RunRow] = {}
        self._done: set[int] = set()
        self._failed: set[int] = set()
        self._started: set[int] = set()
        self._announced = 0
        self._reasons: set[str] = set()
        self._left = TimeLeft(clock)
        if panel is not None:
            panel.header = self.rows

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
                self._rows.pop(event.number, None)
                if self._plan.parallel:
                    self.echo(f"{self._mark(event.number)} finished")
                self._overall()
            case RunFailed():
                self._failed.add(event.number)
                self._rows.pop(event.number, None)
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
        elif total > 1 and self.panel is None:
            self.echo(sweep_line(finished, total, self._left.of_sweep()))

    def rows(self) -> list[str]:
        """Return what stays on a terminal: the overall line, and one line for each run."""
        if self._left.sweep is None or self._left.sweep[1] < 2:
            return []
        overall = sweep_line(*self._left.sweep, self._left.of_sweep())
        return [overall, *(row.text() for _, row in sorted(self._rows.items()))]

    # ------------------------------------------------------------------------------ runs

    def _of_run(self, number: int) -> Tell:
        """Return what shows the events of one run."""
        if number not in self._lines:
            mark = f"{self._mark(number)} " if self._plan.parallel else ""
            if self.panel is None:
                self._lines[number] = Lines(lambda text: self.echo(mark + text), brief=True)
            elif self._plan.parallel:
                title = mark + self._plan.titles[number - 1]
                row = RunRow(title, lambda text: self.echo(mark + text))
                self._lines[number] = self._rows[number] = row
            else:
                self._lines[number] = self.panel
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
