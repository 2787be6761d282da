"""What a terminal and a log are shown of a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import Result
from rich.console import Console

from ganlab.cli.display import score_line
from ganlab.cli.live import LiveDisplay
from ganlab.runs import Progress

Write = Callable[..., Path]
Ganlab = Callable[..., Result]


@pytest.mark.parametrize(
    ("scores", "line"),
    [
        ({"fid": 28.21234, "cond-acc": 0.5}, "fid: 28.21  cond-acc: 0.5"),
        ({"ifid": 9.0, "ifid_worst": 12.0}, "ifid: 9"),
        ({"my_metric": 1.5, "my_metric_worst": 2.0}, "my_metric: 1.5"),
    ],
)
def test_a_score_line_has_every_score_and_no_details_of_one(
    scores: dict[str, float], line: str
) -> None:
    assert score_line(scores) == line


def test_the_live_display_shows_the_scores() -> None:
    run: Any = SimpleNamespace(progress=Progress(steps=5, images=40, epochs=1.0, seconds=2.0))
    train = SimpleNamespace(batch_size=8, d_steps=1)
    plan: Any = SimpleNamespace(
        batches=SimpleNamespace(size=40),
        experiment=SimpleNamespace(train=train),
        budget=SimpleNamespace(images=80.0, share=lambda at: at.images / 80),
    )
    display = LiveDisplay(run, plan)
    console = Console(width=120)
    with console.capture() as before:
        console.print(display.render())
    assert "scores" not in before.get()
    display.scores({"fid": 28.21234})
    with console.capture() as shown:
        console.print(display.render())
    lines = [line.rstrip() for line in shown.get().splitlines()]
    assert lines[0].endswith("50 %  40 images  2s gone, 2s left")
    assert lines[1:] == ["scores   fid: 28.21"]


@pytest.mark.parametrize(("seconds", "count"), [(60, 1), (-1, 6)])
def test_a_sweep_shows_a_line_a_minute_and_the_last_one(
    write_experiment: Write,
    ganlab: Ganlab,
    monkeypatch: pytest.MonkeyPatch,
    seconds: float,
    count: int,
) -> None:
    monkeypatch.setattr("ganlab.cli.display.BRIEF_SECONDS", seconds)
    exp = write_experiment(steps=12, sections={"sweep": {"train.seed": [0]}})
    result = ganlab("sweep", exp, "--no-board")
    lines = [line for line in result.stderr.splitlines() if "Loss_D" in line]
    assert len(lines) == count
    assert lines[-1].startswith("[3/3][2/5] Loss_D: ")
