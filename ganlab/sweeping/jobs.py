"""What an engine is given, and what it says: jobs in, events out. All of it is plain data."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol

from ganlab.events import (
    Message,
    RunFailed,
    RunFinished,
    RunPrinted,
    RunStarted,
    RunTold,
)

AGAIN = "repeat the command to go on"


@dataclass(frozen=True)
class Place:
    """What a process needs in order to see files, data and plugins as the command does."""

    folder: str
    """The working directory: other paths are relative to it."""

    runs: str
    """The folder of all runs."""

    device: str
    data_root: str | None
    plugin_folders: Sequence[str]
    environment: Mapping[str, str]
    """Variables that a process needs and does not inherit on another machine."""

    arguments: Sequence[str]
    """The command line, for the record."""


class Task(Protocol):
    """What a process is given, as JSON."""

    @property
    def number(self) -> int:
        """Its place among all, from 1."""

    def as_data(self) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Job:
    """One run to train. Whoever has it needs no other file than its data and its plugins'."""

    number: int
    """Its place in the sweep, from 1."""

    name: str
    experiment: Mapping[str, Any]
    """The resolved experiment."""

    text: str
    """The file as written."""

    dataset: Mapping[str, Any]
    """What the run will record of its data: a process that finds other data refuses."""

    place: Place

    def with_environment(self, **variables: str) -> Job:
        """Return the job with more variables; those that it has already are kept."""
        environment = {**variables, **self.place.environment}
        return replace(self, place=replace(self.place, environment=environment))

    def as_data(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Job:
        return cls(**{**data, "place": Place(**data["place"])})


# -------------------------------------------------------------------------------- events


@dataclass(frozen=True)
class Stopped:
    """A run saved its state because its process was asked to stop. Only engines see it."""

    number: int
    signal: int

    def as_failure(self) -> RunFailed:
        """Return the failure that is reported if the sweep itself was not stopped."""
        name = signal.Signals(self.signal).name
        return RunFailed(self.number, f"{name}: saved; {AGAIN}")


@dataclass(frozen=True)
class AllStopped:
    """The last event of a sweep that a signal stopped: every run has saved its state."""

    signal: int


Outcome = RunFinished | RunFailed | Stopped
Sent = RunStarted | RunTold | RunPrinted | Outcome
"""What a process reports about its run."""

EngineEvent = RunStarted | RunTold | RunPrinted | RunFinished | RunFailed | Message | AllStopped
Send = Callable[[Sent], None]
_BY_NAME: dict[str, type[Sent]] = {
    kind.__name__: kind
    for kind in (RunStarted, RunTold, RunPrinted, RunFinished, RunFailed, Stopped)
}


def to_data(event: Sent) -> dict[str, Any]:
    """Return what a process reports as plain data."""
    return {"event": type(event).__name__, **asdict(event)}


def from_data(data: dict[str, Any]) -> Sent:
    """Return the report that `to_data` described."""
    return _BY_NAME[data["event"]](**{k: v for k, v in data.items() if k != "event"})


# -------------------------------------------------------------------------------- engine


class Engine(Protocol):
    """Trains jobs, several at once if it can."""

    def run(self, jobs: Sequence[Job]) -> Iterator[EngineEvent]:
        """Train the jobs, and yield what happens.

        A job has one `RunStarted` or more, then one `RunFinished` or `RunFailed`. SIGINT and
        SIGTERM stop all jobs, each after it has saved its state; `AllStopped` comes last then.
        Raises `GanlabError` if no job can be trained at all.
        """


@dataclass(frozen=True)
class InTurn:
    """Trains one job after the other in this process. ``train`` shows itself how it goes on."""

    train: Callable[[Job], Outcome] = field(repr=False)

    def run(self, jobs: Sequence[Job]) -> Iterator[EngineEvent]:
        for job in jobs:
            yield RunStarted(job.number)
            outcome = self.train(job)
            if isinstance(outcome, Stopped):
                yield AllStopped(outcome.signal)
                return
            yield outcome
