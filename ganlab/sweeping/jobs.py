"""What an engine is given, and what it says: jobs in, events out. All of it is plain data."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol

AGAIN = "repeat the command to go on"


@dataclass(frozen=True)
class Place:
    """What a process needs in order to see files, data and plugins as the command does."""

    folder: str
    """The working directory, from which the other paths count."""

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

    runs: str
    """The folder of all runs."""

    place: Place

    def with_environment(self, **variables: str) -> Job:
        """Return the job with more variables; those that it has already are kept."""
        environment = {**variables, **self.place.environment}
        return replace(self, place=replace(self.place, environment=environment))

    def as_data(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of_data(cls, data: Mapping[str, Any]) -> Job:
        return cls(**{**data, "place": Place(**data["place"])})


# -------------------------------------------------------------------------------- events


@dataclass(frozen=True)
class Started:
    """A run begins: for the second time, if the process that trained it was lost."""

    number: int
    where: str = ""
    """The machine, if there are several."""


@dataclass(frozen=True)
class Line:
    """A line that a run printed."""

    number: int
    text: str


@dataclass(frozen=True)
class Finished:
    number: int


@dataclass(frozen=True)
class Failed:
    """A run failed; the others are trained nevertheless."""

    number: int
    reason: str
    traceback: str = ""
    """Where a bug is; empty for what a user can mend."""


@dataclass(frozen=True)
class Stopped:
    """A run has saved because its process was asked to stop. Only engines hear of it."""

    number: int
    signal: int

    def unasked(self) -> Failed:
        """Return what is said of it when nobody has stopped the sweep."""
        name = signal.Signals(self.signal).name
        return Failed(self.number, f"{name}: saved; {AGAIN}")


@dataclass(frozen=True)
class Note:
    """A line of the engine's own."""

    text: str


@dataclass(frozen=True)
class Interrupted:
    """The last event of a sweep that was stopped by a signal: all that was trained has saved."""

    signal: int


Outcome = Finished | Failed | Stopped
Sent = Started | Line | Outcome
"""What a process says of the run that it trains."""

Event = Started | Line | Finished | Failed | Note | Interrupted
Send = Callable[[Sent], None]
KINDS: dict[str, type[Sent]] = {
    kind.__name__: kind for kind in (Started, Line, Finished, Failed, Stopped)
}


def to_data(event: Sent) -> dict[str, Any]:
    return {"event": type(event).__name__, **asdict(event)}


def of_data(data: dict[str, Any]) -> Sent:
    return KINDS[data.pop("event")](**data)


# -------------------------------------------------------------------------------- engine


class Engine(Protocol):
    """Trains jobs, several at once if it can."""

    def run(self, jobs: Sequence[Job]) -> Iterator[Event]:
        """Train the jobs, saying what happens.

        A job has one `Started` or more, then one `Finished` or `Failed`. SIGINT and SIGTERM stop
        all of them, each after it saved; `Interrupted` comes last then. Raises `GanlabError` if no
        job can be trained at all.
        """


@dataclass(frozen=True)
class InTurn:
    """Trains one job after the other in this process. ``train`` shows itself how it goes on."""

    train: Callable[[Job], Outcome] = field(repr=False)

    def run(self, jobs: Sequence[Job]) -> Iterator[Event]:
        for job in jobs:
            yield Started(job.number)
            outcome = self.train(job)
            if isinstance(outcome, Stopped):
                yield Interrupted(outcome.signal)
                return
            yield outcome
