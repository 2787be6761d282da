"""The live display on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ganlab.display.estimate import TimeLeft
from ganlab.display.wording import phase_line, position, printed, score_line
from ganlab.durations import duration
from ganlab.events import (
    Event,
    Logged,
    Progressed,
    RunEnded,
    RunPlanned,
    Scored,
    SheetDrawn,
)

BAR_WIDTH = 30


class LiveDisplay:
    """A bar with speed and time left, the last numbers below it, and the phase under way.

    Sentences and the plan of a run are printed above it and stay.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True, markup=False, emoji=False, highlight=False)
        self.plan: RunPlanned | None = None
        self.at: Progressed | None = None
        self.record: Mapping[str, Any] | None = None
        self.sheet = ""
        self.scored = ""
        self.left = TimeLeft()
        self.header: Callable[[], list[str]] = list
        """Returns lines to show above the bar, such as those of a sweep."""

        self.live = Live(
            console=self.console,
            refresh_per_second=4,
            get_renderable=self.render,
            transient=False,
        )

    def __enter__(self) -> Self:
        self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.live.stop()

    def __call__(self, event: Event) -> None:
        self.left.note(event)
        match event:
            case RunPlanned():
                self.plan, self.at, self.record, self.sheet, self.scored = event, None, None, "", ""
            case Progressed():
                self.at = event
            case Logged():
                self.record = event.record
            case SheetDrawn():
                self.sheet = event.path
            case Scored():
                self.scored = score_line(event.scores)
            case RunEnded():
                self.live.refresh()
        for line in printed(event):
            self.print(line)

    def print(self, text: str) -> None:
        """Print a line above the display."""
        self.console.print(Text(text), soft_wrap=True)

    def render(self) -> RenderableType:
        rows: list[RenderableType] = [Text(line, no_wrap=True) for line in self.header()]
        if self.plan is not None and self.at is not None:
            rows.append(self._bar(self.plan, self.at))
        if self.record is not None:
            rows.append(_numbers(self.record))
        if self.scored:
            rows.append(Text(f"scores   {self.scored}"))
        if self.sheet:
            rows.append(Text(f"samples  {self.sheet}", style="dim"))
        if phases := self.left.phases:
            rows.append(Text(phase_line(phases, self.left.of_phase()), style="dim"))
        return Group(*rows)

    def _bar(self, plan: RunPlanned, at: Progressed) -> RenderableType:
        share = min(1.0, at.share)
        left = self.left.of_run()
        time_left = "" if left is None else f", {duration(left)} left"
        bar = Table.grid(padding=(0, 2))
        bar.add_row(
            Text(position(plan, at)),
            ProgressBar(total=1.0, completed=share, width=BAR_WIDTH),
            Text(f"{100 * share:.0f} %"),
            Text(f"{at.images:,} images"),
            Text(f"{duration(at.seconds)} gone{time_left}"),
        )
        return bar


def _numbers(record: Mapping[str, Any]) -> Table:
    table = Table.grid(padding=(0, 3))
    shown = {
        "Loss_D": f"{record['loss_d']:.4f}",
        "Loss_G": f"{record['loss_g']:.4f}",
        "D(x)": f"{record['d_real']:.4f}",
        "D(G(z))": f"{record['d_fake_before']:.4f} / {record['d_fake_after']:.4f}",
        "img/s": f"{record['images_per_second']:,.0f}",
    }
    table.add_row(*(Text(name, style="dim") for name in shown))
    table.add_row(*(Text(value, style="bold") for value in shown.values()))
    return table
