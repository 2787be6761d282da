"""What a terminal and a log are shown of a run."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from rich.console import Console

from ganlab.display.estimate import TimeLeft
from ganlab.display.lines import Lines
from ganlab.display.live import LiveDisplay
from ganlab.display.sweep import SweepDisplay
from ganlab.display.wording import score_line
from ganlab.events import (
    Logged,
    PhaseAdvanced,
    PhaseEnded,
    PhaseStarted,
    Progressed,
    RunEnded,
    RunFailed,
    RunFinished,
    RunPlanned,
    RunStarted,
    RunTold,
    Scored,
    SweepPlanned,
    from_data,
    to_data,
)

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


PLAN = RunPlanned(
    folder="runs/exp/1-s0",
    facts={"run": "runs/exp/1-s0", "budget": "80 images (2 epochs)"},
    dataset_images=40,
    batch_size=8,
    images_per_step=8,
    budget={"images": 80.0, "steps": None, "seconds": None},
)
RECORD = {
    "loss_d": 1.0,
    "loss_g": 2.0,
    "d_real": 0.5,
    "d_fake_before": 0.25,
    "d_fake_after": 0.75,
    "images_per_second": 1234.5,
}


def shown_by(display: LiveDisplay) -> list[str]:
    console = Console(width=120)
    with console.capture() as shown:
        console.print(display.render())
    return [line.rstrip() for line in shown.get().splitlines()]


def test_the_live_display_shows_progress_numbers_scores_and_the_phase() -> None:
    above = io.StringIO()
    display = LiveDisplay(Console(file=above, width=120))
    display(PLAN)
    assert not any(shown_by(display))
    display(Progressed(steps=5, images=40, epochs=1.0, seconds=2.0, share=0.5))
    assert shown_by(display)[0].endswith("50 %  40 images  2s gone")
    display(Logged(RECORD))
    display(Scored({"fid": 28.21234}))
    display(PhaseStarted("scoring"))
    display(PhaseStarted("cnn", total=200, unit="images"))
    display(PhaseAdvanced(50))
    _, names, values, scores, phase = shown_by(display)
    assert names.split() == ["Loss_D", "Loss_G", "D(x)", "D(G(z))", "img/s"]
    assert values.split() == ["1.0000", "2.0000", "0.5000", "0.2500", "/", "0.7500", "1,234"]
    assert scores == "scores   fid: 28.21"
    assert phase.startswith("scoring: cnn: 50 of 200 images, about ")
    assert above.getvalue().splitlines() == [
        "run            runs/exp/1-s0",
        "budget         80 images (2 epochs)",
    ]


def test_the_time_left_includes_what_takes_time_between_two_steps() -> None:
    now = [0.0]
    left = TimeLeft(lambda: now[0])
    left.note(PLAN)
    left.note(Progressed(0, 0, 0.0, 0.0, share=0.0))
    assert left.of_run() is None
    now[0] = 10.0  # five seconds of training and five of scoring
    left.note(Progressed(5, 40, 1.0, 5.0, share=0.5))
    assert left.of_run() == 10.0
    now[0] = 12.0
    assert left.of_run() == 8.0


def test_the_time_left_of_a_phase_is_that_of_the_outermost_one_with_a_pace() -> None:
    now = [0.0]
    left = TimeLeft(lambda: now[0])
    left.note(PhaseStarted("scoring", total=4, unit="runs"))
    assert left.of_phase() is None
    left.note(PhaseStarted("cnn", total=100, unit="images"))
    now[0] = 2.0
    left.note(PhaseAdvanced(20))
    assert left.of_phase() == 8.0
    left.note(PhaseEnded("cnn"))
    assert left.of_phase() is None
    left.note(PhaseAdvanced(1))
    assert left.of_phase() == 6.0


def test_the_time_left_of_a_sweep_goes_by_the_runs_that_have_ended() -> None:
    now = [0.0]
    left = TimeLeft(lambda: now[0])
    titles, folders = list("abcd"), list("abcd")
    left.note(SweepPlanned(titles, folders, finished=[1], parallel=True))
    now[0] = 10.0
    assert left.of_sweep() is None
    left.note(RunFinished(2))
    assert left.of_sweep() == 20.0  # two more runs of ten seconds each
    half = to_data(Progressed(steps=5, images=40, epochs=1.0, seconds=2.0, share=0.5))
    left.note(RunTold(3, half))
    now[0] = 15.0
    assert left.of_sweep() == 15.0
    left.note(RunFailed(3, "reason"))
    assert left.of_sweep() == 7.5


def test_a_slow_phase_gets_a_line_and_a_fast_one_none() -> None:
    now = [1000.0]
    said: list[str] = []
    lines = Lines(said.append, clock=lambda: now[0])
    for seconds_each in (0.01, 1.0):
        lines(PhaseStarted("cnn", total=300, unit="images"))
        for done in (100, 200, 300):
            now[0] += 100 * seconds_each
            lines(PhaseAdvanced(done))
        lines(PhaseEnded("cnn"))
    assert said == [
        "  cnn: 100 of 300 images, about 3m 20s left",
        "  cnn: 200 of 300 images, about 1m 40s left",
    ]


def test_a_sweep_on_a_terminal_keeps_an_overall_line_and_one_for_each_run_under_way() -> None:
    above = io.StringIO()
    panel = LiveDisplay(Console(file=above, width=120))
    sweep = SweepDisplay(panel, echo=panel.print, panel=panel)
    sweep(SweepPlanned(["loss=a", "loss=b", "loss=c"], list("abc"), finished=[1], parallel=True))
    assert shown_by(panel) == ["1 of 3 finished"]
    sweep(RunStarted(2))
    sweep(RunStarted(3))
    for number in (3, 2):
        sweep(RunTold(number, to_data(PLAN)))
    sweep(RunTold(2, to_data(PhaseStarted("preparing", total=10, unit="images"))))
    sweep(RunTold(3, to_data(Progressed(5, 40, epochs=1.0, seconds=2.0, share=0.5))))
    assert shown_by(panel) == [
        "1 of 3 finished",
        "[2/3] loss=b  preparing: 0 of 10 images",
        "[3/3] loss=c  [1/2][5/5]  50 %",
    ]
    sweep(RunTold(3, to_data(Scored({"fid": 28.21234}))))
    sweep(RunFinished(3))
    sweep(RunFailed(2, "out of memory"))
    assert shown_by(panel) == ["2 of 3 finished"]
    assert above.getvalue().splitlines()[-5:] == [
        "[2/3] loss=b: b",
        "[3/3] loss=c: c",
        "[3/3] scored fid: 28.21",
        "[3/3] finished",
        "warning: [2/3] failed: out of memory",
    ]


@pytest.mark.parametrize(("seconds", "count"), [(60, 1), (-1, 6)])
def test_a_sweep_shows_a_line_a_minute_and_the_last_one(
    write_experiment: Write,
    ganlab: Ganlab,
    monkeypatch: pytest.MonkeyPatch,
    seconds: float,
    count: int,
) -> None:
    monkeypatch.setattr("ganlab.display.lines.BRIEF_SECONDS", seconds)
    exp = write_experiment(steps=12, sections={"sweep": {"train.seed": [0]}})
    result = ganlab("sweep", exp, "--no-board")
    lines = [line for line in result.stderr.splitlines() if "Loss_D" in line]
    assert len(lines) == count
    assert lines[-1].startswith("[3/3][2/5] Loss_D: ")


def test_json_lines_are_the_events_of_a_run_for_programs(
    write_experiment: Write, ganlab: Ganlab
) -> None:
    result = ganlab("run", write_experiment(steps=4), "--json-lines")
    assert result.exit_code == 0
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert all(line["at"] >= 0 for line in lines)
    events = [from_data({k: v for k, v in line.items() if k != "at"}) for line in lines]
    logged = [event for event in events if isinstance(event, Logged)]
    assert [event.record["step"] for event in logged] == [2, 4]
    ended = events[-1]
    assert isinstance(ended, RunEnded)
    assert ended.status == "finished"


def test_json_lines_of_a_sweep_carry_the_number_of_each_run(
    write_experiment: Write, ganlab: Ganlab
) -> None:
    exp = write_experiment(steps=2, sections={"sweep": {"train.seed": [0, 1]}})
    result = ganlab("sweep", exp, "--no-board", "--json-lines")
    assert result.exit_code == 0, result.output
    events = [json.loads(line) for line in result.stdout.splitlines()]
    (planned,) = [event for event in events if event["event"] == "SweepPlanned"]
    assert planned["titles"] == ["train.seed=0", "train.seed=1"]
    told = [(e["number"], e["told"]["event"]) for e in events if e["event"] == "RunTold"]
    assert {number for number, _ in told} == {1, 2}
    assert (2, "RunEnded") in told
    assert [e["number"] for e in events if e["event"] == "RunFinished"] == [1, 2]


def test_a_notebook_shows_progress_numbers_and_the_phase() -> None:
    pytest.importorskip("IPython")
    from ganlab.display.notebook import NotebookDisplay

    display = NotebookDisplay()
    for event in (
        PLAN,
        Progressed(steps=5, images=40, epochs=1.0, seconds=2.0, share=0.5),
        Logged(RECORD),
        PhaseStarted("<b>", total=4, unit="images"),
    ):
        display(event)
    shown = display.html()
    assert '<progress max="1" value="0.5000"></progress> [1/2][5/5] 50 %' in shown
    assert "numbers: Loss_D: 1.0000" in shown
    assert "&lt;b&gt;: 0 of 4 images" in shown
