"""What can go wrong by a user's hand. The command line prints these without a traceback."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches


class GanlabError(Exception):
    """A mistake or a mishap that the user can mend. ``exit_code`` is what the process returns."""

    exit_code = 1


class UsageMistake(GanlabError):
    """A name, a file or an option in the command or in an experiment is wrong."""

    exit_code = 2


class RunError(GanlabError):
    """A run failed or cannot be resumed."""


class NotInRun(UsageMistake, RunError):
    """A run has no such class, epoch or weights."""


class RunNotFound(UsageMistake, RunError):
    """There is no run of the given name."""


class DataError(GanlabError):
    """A dataset is broken or does not fit the experiment."""

    exit_code = 2


class DataUnavailable(DataError):
    """A dataset is neither on this machine nor can it be downloaded: a fallback may take over."""


class PluginError(GanlabError):
    """A plugin is broken, or two of them claim the same name."""

    exit_code = 3


class ComponentNotFound(UsageMistake, PluginError):
    """There is no component or no plugin of the given name."""


class Elsewhere(GanlabError):
    """What failed in another process of the run, in its own words and with its exit code."""

    def __init__(self, text: str, exit_code: int, traceback: str | None = None) -> None:
        super().__init__(text)
        self.exit_code = exit_code
        self.traceback = traceback


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with an experiment."""

    where: str
    """The dotted path of the key: ``conditioning.scale``."""

    what: str
    """What is wrong and what is allowed."""

    source: str = ""
    """Where the value was written: ``my.yaml:7`` or ``-s``; empty for the experiment as a whole."""

    def __str__(self) -> str:
        return ": ".join(part for part in (self.source, self.where, self.what) if part)


class ConfigError(UsageMistake):
    """Everything that is wrong with an experiment, reported together."""

    def __init__(self, problems: Sequence[Problem], title: str = "the experiment") -> None:
        self.problems = list(problems)
        count = f"{len(self.problems)} problem{'s' if len(self.problems) > 1 else ''}"
        super().__init__("\n  ".join([f"{count} in {title}", *map(str, self.problems)]))


def said(error: BaseException) -> str:
    """Return an error as a line of its own: a user's mistake in its words, a bug with its type."""
    return str(error) if isinstance(error, GanlabError) else f"{type(error).__name__}: {error}"


def first_line(error: BaseException) -> str:
    """Return the first line of what an error says, or its type if it says nothing."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def did_you_mean(word: str, allowed: Sequence[str]) -> str:
    """Return ``; did you mean 'scale'?`` or, without a near match, the list of what is allowed."""
    near = get_close_matches(word, allowed, n=1)
    if near:
        return f"; did you mean '{near[0]}'?"
    return f"; allowed: {', '.join(sorted(allowed))}" if allowed else ""
