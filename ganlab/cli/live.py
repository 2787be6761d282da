"""The live display of a training run on a terminal."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ganlab.cli.display import duration, position, remaining_seconds, score_line
from ganlab.runs import RunDirectory
from ganlab.training.observers import Record
from ganlab.training.session import Plan


class LiveDisplay:
    """A bar with speed and time left, and the last numbers below it."""

    def __init__(self, run: RunDirectory, plan: Plan) -> None:
        self.run = run
        self.plan = plan
        self.record: Record | None = None
        self.sheet = ""
        self.scored = ""
        console = Console(stderr=True, markup=False, emoji=False, highlight=False)
        self.live = Live(
            console=console, refresh_per_second=4, get_renderable=self.render, transient=False
        )

    def __enter__(self) -> LiveDisplay:
        self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.live.stop()

    def log(self, record: Record) -> None:
        self.record = record

    def sample(self, path: Path) -> None:
        self.sheet = str(path)

    def scores(self, scores: Record) -> None:
        self.scored = score_line(scores)

    def render(self) -> RenderableType:
        at = self.run.progress
        share = min(1.0, self.plan.budget.share(at))
        bar = Table.grid(padding=(0, 2))
        bar.add_row(
            Text(position(self.plan, at)),
            ProgressBar(total=1.0, completed=share, width=30),
            Text(f"{100 * share:.0f} %"),
            Text(f"{at.images:,} images"),
            Text(f"{duration(at.seconds)} gone, {duration(remaining_seconds(self.plan, at))} left"),
        )
        rows: list[RenderableType] = [bar]
        if self.record is not None:
            rows.append(self._numbers(self.record))
        if self.scored:
            rows.append(Text(f"scores   {self.scored}"))
        if self.sheet:
            rows.append(Text(f"samples  {self.sheet}", style="dim"))
        return Group(*rows)

    def _numbers(self, record: Record) -> Table:
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
