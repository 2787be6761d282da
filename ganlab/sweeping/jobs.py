"""The interface of engines: jobs and events, all of them plain data."""

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
    """The environment of a job: it makes files, data and plugins resolve as for the command."""

    folder: str
    """The working directory. Other paths are relative to it."""

    runs: str
    """The folder that contains the runs."""

    device: str
    data_root: str | None
    plugin_folders: Sequence[str]
    environment: Mapping[str, str]
    """Environment variables to set, because a process on another machine does not inherit them."""

    arguments: Sequence[str]
    """The command line, for the record."""


class Task(Protocol):
    """The input of a worker process, sent as JSON."""

    @property
    def number(self) -> int:
        """The number of the task, from 1."""

    def as_data(self) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Job:
    """One run to train. It is self-contained, apart from the files of its dataset and plugins."""

    number: int
    """The number of the run in the sweep, from 1."""

    name: str
    experiment: Mapping[str, Any]
    """The resolved experiment."""

    text: str
    """The text of the experiment file."""

    dataset: Mapping[str, Any]
    """The expected entry for the dataset in run.json. A process that finds other data fails."""

    place: Place

    def with_environment(self, **variables: str) -> Job:
        """Return the job with additional variables. Variables that are already set are kept."""
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
    """Return the event of a process as plain data."""
    return {"event": type(event).__name__, **asdict(event)}


def from_data(data: dict[str, Any]) -> Sent:
    """Return the event that `to_data` described."""
    return _BY_NAME[data["event"]](**{k: v for k, v in data.items() if k != "event"})


# -------------------------------------------------------------------------------- engine


class Engine(Protocol):
    """Trains jobs, possibly several at once."""

    def run(self, jobs: Sequence[Job]) -> Iterator[EngineEvent]:
        """Train the jobs, and yield their events.

        Each job has at least one `RunStarted`, then one `RunFinished` or `RunFailed`. SIGINT and
        SIGTERM stop all jobs after they have saved their state; the last event is then
        `AllStopped`. Raises `GanlabError` if no job can be trained.
        """


@dataclass(frozen=True)
class InTurn:
    """Trains the jobs sequentially in this process. ``train`` reports the progress itself."""

    train: Callable[[Job], Outcome] = field(repr=False)

    def run(self, jobs: Sequence[Job]) -> Iterator[EngineEvent]:
        for job in jobs:
            yield RunStarted(job.number)
            outcome = self.train(job)
            if isinstance(outcome, Stopped):
                yield AllStopped(outcome.signal)
                return
            yield outcome
