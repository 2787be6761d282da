"""What ``ganlab sweep`` says while its runs are trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from ganlab.cli.app import warn
from ganlab.sweeping.jobs import Event, Failed, Finished, Interrupted, Line, Note, Started


@dataclass(frozen=True)
class Announced:
    """A run as it is announced."""

    title: str
    folder: Path
    done: bool
    """There is nothing left to train."""


class Progress:
    """Tells events as lines, and keeps how the runs ended.

    ``several`` runs at once have their number before each line. A single one shows itself.
    """

    def __init__(self, runs: Sequence[Announced], *, several: bool) -> None:
        self.runs: Mapping[int, Announced] = dict(enumerate(runs, start=1))
        self.several = several
        self.finished = {number for number, run in self.runs.items() if run.done}
        self.failed: dict[int, str] = {}
        self.interrupted: int | None = None
        self._started: set[int] = set()
        self._announced = 0
        self._reasons: set[str] = set()

    @property
    def left(self) -> int:
        return len(self.runs) - len(self.finished) - len(self.failed)

    def tell(self, event: Event) -> None:
        match event:
            case Started():
                self._start(event)
            case Line():
                click.echo(f"{self._mark(event.number)} {event.text}", err=True)
            case Finished():
                self.finished.add(event.number)
                if self.several:
                    click.echo(f"{self._mark(event.number)} finished", err=True)
            case Failed():
                self._fail(event)
            case Note():
                click.echo(event.text, err=True)
            case Interrupted():
                self.interrupted = event.signal

    def announce_done(self, before: int | None = None) -> None:
        """Say which runs need no training, of those that come before a number."""
        before = before or len(self.runs) + 1
        for number in range(self._announced + 1, before):
            if self.runs[number].done:
                self._announce(number, " finished already")
        self._announced = max(self._announced, before - 1)

    def _start(self, event: Started) -> None:
        self.announce_done(event.number)
        where = f" on {event.where}" if event.where else ""
        if event.number in self._started:
            again = f"started again{where}: its worker was lost"
            click.echo(f"{self._mark(event.number)} {again}", err=True)
        else:
            self._started.add(event.number)
            self._announce(event.number, where)

    def _announce(self, number: int, more: str) -> None:
        run = self.runs[number]
        if self.several:
            click.echo(f"{self._mark(number)} {run.title}: {run.folder}{more}", err=True)
            return
        click.secho(f"{self._mark(number)} {run.title}", err=True, bold=True)
        click.echo(f"run            {run.folder}", err=True)
        if more:
            click.echo(more.strip(), err=True)

    def _fail(self, event: Failed) -> None:
        reason = event.reason
        self.failed[event.number] = f"{self.runs[event.number].title}: {reason.splitlines()[0]}"
        known = reason in self._reasons
        if event.traceback and not known:  # a bug: whoever mends it needs its place
            click.echo(event.traceback, err=True, nl=False)
        mark = f"{self._mark(event.number)} " if self.several else ""
        warn(f"{mark}failed like one before" if known else f"{mark}failed: {reason}")
        self._reasons.add(reason)

    def _mark(self, number: int) -> str:
        return f"[{number}/{len(self.runs)}]"
