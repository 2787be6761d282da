"""Events: plain records of the progress of a long operation, for displays and programs.

A long operation takes a callable, ``tell(event)``. An event describes what happened, not how to
display it. All events are plain data, so they can be sent to another process or written as JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class PhaseStarted:
    """A phase that may take longer than a second has begun. Phases nest."""

    name: str
    """For example ``preparing images`` or ``scoring fid``."""

    total: int | None = None
    """The number of units of work; None if unknown."""

    unit: str = ""
    """For example ``images`` or ``epochs``."""


@dataclass(frozen=True)
class PhaseAdvanced:
    """The innermost phase has completed ``done`` units in total."""

    done: int


@dataclass(frozen=True)
class PhaseEnded:
    """The innermost phase has ended, successfully or not."""

    name: str


@dataclass(frozen=True)
class RunPlanned:
    """A run was validated and built, and is about to be trained."""

    folder: str
    facts: Mapping[str, str]
    """A description of the plan by heading: ``dataset``, ``generator``, ``budget``."""

    dataset_images: int
    batch_size: int
    images_per_step: int
    """Real images that the discriminator sees in one step."""

    budget: Mapping[str, float | None]
    """Limits in ``images``, ``steps`` and ``seconds``; None for no limit."""


@dataclass(frozen=True)
class RunResumed:
    """Training continues from a checkpoint."""

    steps: int
    epochs: float


@dataclass(frozen=True)
class Progressed:
    """The progress of training. Sent a few times per second at most."""

    steps: int
    images: int
    epochs: float
    seconds: float
    """Time in the training loop, over all sessions."""

    share: float
    """The fraction of the budget that is used, from 0 to 1."""


@dataclass(frozen=True)
class Logged:
    """A line of the log: the means over a log interval."""

    record: Mapping[str, Any]


@dataclass(frozen=True)
class SheetDrawn:
    """A sheet of samples was written."""

    path: str


@dataclass(frozen=True)
class Scored:
    """The current weights were scored during training."""

    scores: Mapping[str, float]


@dataclass(frozen=True)
class RunEnded:
    """A run has ended: its status is ``finished``, ``interrupted``, ``failed`` or ``diverged``."""

    folder: str
    status: str


@dataclass(frozen=True)
class ScoringStarted:
    """A run is about to be scored."""

    run: str
    """The name of the run."""


@dataclass(frozen=True)
class Message:
    """A sentence for the user."""

    text: str


@dataclass(frozen=True)
class Detail:
    """A sentence about the current operation."""

    text: str


# --------------------------------------------------------------------------- several runs


@dataclass(frozen=True)
class SweepPlanned:
    """Several runs are about to be trained. They are numbered from 1."""

    titles: Sequence[str]
    folders: Sequence[str]
    finished: Sequence[int]
    """The numbers of the runs that have nothing left to train."""

    parallel: bool
    """Several runs are trained at the same time."""


@dataclass(frozen=True)
class RunStarted:
    """A run of a sweep begins: for the second time if the process that trained it was lost."""

    number: int
    where: str = ""
    """The machine, if there are several; otherwise empty."""


@dataclass(frozen=True)
class RunTold:
    """An event of one of several runs, as `to_data` describes it."""

    number: int
    told: Mapping[str, Any]


@dataclass(frozen=True)
class RunPrinted:
    """A line that the process of one of several runs printed."""

    number: int
    text: str


@dataclass(frozen=True)
class RunFinished:
    """A run of a sweep finished training."""

    number: int


@dataclass(frozen=True)
class RunFailed:
    """A run of a sweep failed. The other runs continue."""

    number: int
    reason: str
    traceback: str = ""
    """The traceback of a bug; empty for an error that the user can fix."""


Event = (
    PhaseStarted
    | PhaseAdvanced
    | PhaseEnded
    | RunPlanned
    | RunResumed
    | Progressed
    | Logged
    | SheetDrawn
    | Scored
    | RunEnded
    | ScoringStarted
    | Message
    | Detail
    | SweepPlanned
    | RunStarted
    | RunTold
    | RunPrinted
    | RunFinished
    | RunFailed
)
Tell = Callable[[Event], None]
_BY_NAME: dict[str, type[Event]] = {kind.__name__: kind for kind in Event.__args__}


def ignore(event: Event) -> None:
    """Ignore the event."""


@dataclass
class Phase:
    """A phase in progress; see `phase`."""

    tell: Tell
    name: str
    done: int = field(default=0)

    def advance(self, count: int = 1) -> None:
        """Report that ``count`` more units are done."""
        self.done += count
        self.tell(PhaseAdvanced(self.done))


@contextmanager
def phase(tell: Tell, name: str, *, total: int | None = None, unit: str = "") -> Iterator[Phase]:
    """Report the start of a phase, and its end when the block exits."""
    tell(PhaseStarted(name, total, unit))
    try:
        yield Phase(tell, name)
    finally:
        tell(PhaseEnded(name))


def to_data(event: Event) -> dict[str, Any]:
    """Return an event as plain data: its name under ``event``, then its fields."""
    return {"event": type(event).__name__, **asdict(event)}


def from_data(data: Mapping[str, Any]) -> Event:
    """Return the event that `to_data` described."""
    fields = {name: value for name, value in data.items() if name != "event"}
    return _BY_NAME[data["event"]](**fields)
