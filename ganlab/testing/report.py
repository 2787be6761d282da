"""The report of a check: groups of checks, with a line for each failure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

EARLIER_FAILURE = "fix the failures above first"


class CheckFailed(AssertionError):
    """A component violates the contract of its kind; the message is the whole report."""


@dataclass(frozen=True)
class Failure:
    """One failed check."""

    plugin: str
    """The plugin's name, as ``ganlab plugins`` lists it."""

    component: str
    """``conditioning 'offset'``."""

    where: str
    """The site, method or option: ``latent()``, ``option 'std'``."""

    what: str
    """``expected shape (2, 12), got (2, 10)``."""

    def __str__(self) -> str:
        return f"{self.plugin}: {self.component}: {self.where}: {self.what}"


@dataclass
class Group:
    """A group of checks. Only the first failure at each place is kept: it may cause later ones."""

    title: str
    note: str = ""
    """What was checked, or why the group was skipped."""

    skipped: bool = False
    failures: list[Failure] = field(default_factory=list)

    @property
    def mark(self) -> str:
        return "✗" if self.failures else "-" if self.skipped else "✓"

    def __str__(self) -> str:
        note = f": {self.note}" if self.note else ""
        return f"{self.mark} {self.title}{note}"


@dataclass(frozen=True)
class Report:
    """The result of `ganlab.testing.check` for one component."""

    plugin: str
    component: str
    groups: Sequence[Group]

    @property
    def failures(self) -> list[Failure]:
        return [failure for group in self.groups for failure in group.failures]

    @property
    def title(self) -> str:
        """``conditioning 'offset' (my_plugin)``."""
        return f"{self.component} ({self.plugin})"

    @property
    def ok(self) -> bool:
        return not self.failures

    def expect_ok(self) -> Report:
        """Return the report, or raise `CheckFailed` with every failure."""
        if not self.ok:
            raise CheckFailed(str(self))
        return self

    def __str__(self) -> str:
        lines = [self.title]
        for group in self.groups:
            lines.append(f"  {group}")
            lines += [f"      {failure.where}: {failure.what}" for failure in group.failures]
        return "\n".join(lines)


class Findings:
    """Collects the results of the checks of one component."""

    def __init__(self, plugin: str, component: str, file: Path | None) -> None:
        self.plugin = plugin
        self.component = component
        self.file = file
        self.groups: list[Group] = []
        self.broken: set[str] = set()
        """Places that failed: later checks there are skipped."""

    @contextmanager
    def group(self, title: str, note: str = "") -> Iterator[Group]:
        """Open a group. An exception inside becomes a failure of the group."""
        group = Group(title, note)
        self.groups.append(group)
        with self.guarded(title):
            yield group

    def skip(self, title: str, reason: str) -> None:
        """Record that a group was skipped, and why."""
        self.groups.append(Group(title, f"skipped, {reason}", skipped=True))

    def fail(self, where: str, what: str) -> None:
        """Record a failure in the open group, unless it already has one at this place."""
        failures = self.groups[-1].failures
        if where not in [failure.where for failure in failures]:
            failures.append(Failure(self.plugin, self.component, where, what))
        self.broken.add(where)

    def expect(self, holds: bool, where: str, expected: str, got: object) -> bool:
        """Record a failure if ``holds`` is false; return ``holds``."""
        if not holds:
            self.fail(where, f"expected {expected}, got {got}")
        return holds

    @contextmanager
    def guarded(self, where: str, case: str = "") -> Iterator[None]:
        """Record an exception inside the context as a failure at this place."""
        try:
            yield
        except (Exception, SystemExit) as error:
            suffix = f" for {case}" if case else ""
            self.fail(where, f"expected no error{suffix}, got {self.describe_error(error)}")

    def describe_error(self, error: BaseException) -> str:
        """Return an error in one line, with the line number in the plugin's file."""
        text = " ".join(str(error).split()) or "no message"
        trace, line = error.__traceback__, None
        while trace is not None:
            if self.file is not None and trace.tb_frame.f_code.co_filename == str(self.file):
                line = trace.tb_lineno
            trace = trace.tb_next
        return f"{type(error).__name__}: {text}" + (f" (line {line})" if line else "")
