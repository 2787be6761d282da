"""Errors that a user can fix. The command line prints them without a traceback."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches


class GanlabError(Exception):
    """Base class of errors that the user can fix. ``exit_code`` is the exit code of the process."""

    exit_code = 1


class UsageError(GanlabError):
    """A name, a file or an option in a request is wrong, or the request contradicts itself."""

    exit_code = 2


class RunError(GanlabError):
    """A run failed or cannot be resumed."""


class NotInRun(UsageError, RunError):
    """A run has no such class, epoch or weights."""


class RunNotFound(UsageError, RunError):
    """There is no run with the given name."""


class DataError(GanlabError):
    """A dataset is invalid or does not fit the experiment."""

    exit_code = 2


class DataUnavailable(DataError):
    """A dataset is not on this machine and cannot be downloaded. A fallback may be used instead."""


class PluginError(GanlabError):
    """A plugin is invalid, or two plugins register the same name."""

    exit_code = 3


class ComponentNotFound(UsageError, PluginError):
    """There is no component or no plugin with the given name."""


class UnexpectedError(GanlabError):
    """A failure that ganlab did not foresee: its cause is the exception that was raised."""

    exit_code = 70


class Interrupted(KeyboardInterrupt):
    """SIGINT or SIGTERM stopped an operation after it had saved its state."""

    def __init__(self, number: int, text: str) -> None:
        super().__init__(text)
        self.signal = number


class RemoteError(GanlabError):
    """An error in another process of the run, with that process's message and exit code."""

    def __init__(self, text: str, exit_code: int, traceback: str | None = None) -> None:
        super().__init__(text)
        self.exit_code = exit_code
        self.traceback = traceback


@dataclass(frozen=True)
class Problem:
    """One problem of an experiment."""

    where: str
    """The dotted path of the key: ``conditioning.scale``."""

    what: str
    """What is wrong and what is allowed."""

    source: str = ""
    """Where the value was set: ``my.yaml:7`` or ``-s``; empty if unknown."""

    def __str__(self) -> str:
        return ": ".join(part for part in (self.source, self.where, self.what) if part)


class ConfigError(UsageError):
    """All problems of an experiment, reported together."""

    def __init__(self, problems: Sequence[Problem], title: str = "the experiment") -> None:
        self.problems = list(problems)
        count = f"{len(self.problems)} problem{'s' if len(self.problems) > 1 else ''}"
        super().__init__("\n  ".join([f"{count} in {title}", *map(str, self.problems)]))


class ExperimentError(UsageError):
    """An experiment is not found, or cannot be created, under the name that the user gave."""


def format_error(error: BaseException) -> str:
    """Return an error as a line of its own: a user's mistake in its words, a bug with its type."""
    return str(error) if isinstance(error, GanlabError) else f"{type(error).__name__}: {error}"


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or its type if the message is empty."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def did_you_mean(word: str, allowed: Sequence[str]) -> str:
    """Return ``; did you mean 'scale'?`` or, without a close match, the list of allowed words."""
    near = get_close_matches(word, allowed, n=1)
    if near:
        return f"; did you mean '{near[0]}'?"
    return f"; allowed: {', '.join(sorted(allowed))}" if allowed else ""
