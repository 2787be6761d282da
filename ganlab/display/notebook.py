"""A display for notebooks: one output cell that updates itself."""

from __future__ import annotations

import time
from html import escape
from typing import Any, Self

from ganlab.display.estimate import TimeLeft
from ganlab.display.wording import (
    numbers,
    phase_line,
    position,
    score_line,
    sweep_line,
    time_left,
)
from ganlab.events import (
    Detail,
    Event,
    Logged,
    Message,
    PhaseEnded,
    Progressed,
    RunEnded,
    RunPlanned,
    RunTold,
    Scored,
    SheetDrawn,
    from_data,
)

EVERY_SECONDS = 0.5


class NotebookDisplay:
    """Shows the progress of a run, its last numbers and its last sheet."""

    def __init__(self) -> None:
        from IPython.display import HTML, display

        self._html: Any = HTML
        self._handle: Any = display(HTML(""), display_id=True)
        self._plan: RunPlanned | None = None
        self._at: Progressed | None = None
        self._lines: dict[str, str] = {}
        self._left = TimeLeft()
        self._updated = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._update()

    def __call__(self, event: Event) -> None:
        self._left.note(event)
        if isinstance(event, RunTold):
            event = from_data(event.told)
            self._left.note(event)
        match event:
            case RunPlanned():
                self._plan, self._at, self._lines = event, None, {"run": event.facts["run"]}
            case Progressed():
                self._at = event
            case Logged():
                self._lines["numbers"] = numbers(event.record)
            case Scored():
                self._lines["scores"] = score_line(event.scores)
            case SheetDrawn():
                self._lines["samples"] = event.path
            case Message() | Detail():
                self._lines["message"] = event.text
        due = time.monotonic() - self._updated > EVERY_SECONDS
        if due or isinstance(event, RunEnded | RunPlanned | PhaseEnded):
            self._update()

    def _update(self) -> None:
        self._updated = time.monotonic()
        if self._handle is not None:  # None outside a notebook
            self._handle.update(self._html(self.html()))

    def html(self) -> str:
        """Return what is shown."""
        rows = []
        if self._left.sweep is not None:
            rows.append(escape(sweep_line(*self._left.sweep, self._left.of_sweep())))
        if self._plan is not None and self._at is not None:
            share = min(1.0, self._at.share)
            about = time_left(self._left.of_run())
            text = f"{position(self._plan, self._at)} {100 * share:.0f} %{about}"
            rows.append(f'<progress max="1" value="{share:.4f}"></progress> {escape(text)}')
        rows += [f"{escape(name)}: {escape(text)}" for name, text in self._lines.items()]
        if phases := self._left.phases:
            rows.append(escape(phase_line(phases, self._left.of_phase())))
        return "<br>".join(rows)
