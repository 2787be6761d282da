"""``ganlab sweep --jobs``: several processes, their lines, and what happens when one is killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from ganlab.events import RunFailed, RunStarted
from ganlab.sweeping.jobs import Job, Place
from ganlab.sweeping.pool import Pool
from tests.sweeping.helpers import (
    Swept,
    finish,
    lines_of,
    most_at_once,
    start_sweep,
    swept,
    wait_until,
)
from tests.training.helpers import alive, assert_same_state, newest_state

Write = Callable[..., Path]
Ganlab = Callable[..., Result]
POOL = ("--jobs", "2", "--no-board")
LONG = {"steps": 100_000, "checkpoint_every": "2 steps"}


def both_saved(folder: Path) -> bool:
    return sum(bool(run.checkpoints) for run in swept(folder)) == 2


def test_runs_are_trained_two_at_a_time_and_their_lines_carry_their_numbers(
    write_sweep: Write, ganlab: Ganlab, workplace: Path
) -> None:
    result = ganlab("sweep", write_sweep(3), "--jobs", "2")
    assert result.exit_code == 0, result.output
    runs = swept(workplace)
    assert [run.info["status"] for run in runs] == ["finished"] * 3
    assert [run.sessions for run in runs] == [[(0, 4)]] * 3
    assert len({process for run in runs for process in run.steps} - {os.getpid()}) == 3
    for number, run in enumerate(runs, start=1):
        first, printed, numbers, last = lines_of(number, result.stderr)
        assert first == f"train.seed={number - 1}: {run.path.relative_to(workplace)}"
        assert (printed, last) == ("100 %", "finished")
        assert numbers.startswith("[1/1][4/5] Loss_D: ")
        assert numbers.endswith(" img/s")
    lines = [line for line in result.stderr.splitlines() if line.startswith("[")]
    assert len(lines) == 12
    assert most_at_once(lines) == 2
    assert result.stdout.splitlines()[0].startswith("tiny-tiny-000000000000  N=40 against tiny")
    again = ganlab("sweep", workplace / "grid.yaml", "--jobs", "2")
    assert (again.exit_code, again.stdout) == (0, result.stdout)
    assert again.stderr.splitlines()[:3] == [
        "[1/3] train.seed=0",
        f"run            {runs[0].path.relative_to(workplace)}",
        "finished already",
    ]
    assert [run.sessions for run in runs] == [[(0, 4)]] * 3


def test_a_pool_learns_what_one_run_after_the_other_learns_bit_for_bit(
    write_sweep: Write, ganlab: Ganlab, workplace: Path
) -> None:
    exp = write_sweep(2)
    assert ganlab("sweep", exp, "--no-board", "--runs-dir", "alone/runs").exit_code == 0
    assert ganlab("sweep", exp, *POOL).exit_code == 0
    for one, other in zip(swept(workplace / "alone"), swept(workplace), strict=True):
        assert one.path.name == other.path.name
        assert_same_state(newest_state(one.path), newest_state(other.path))
        for file in ("config.yaml", "experiment.yaml"):
            assert (one.path / file).read_text() == (other.path / file).read_text()


@pytest.mark.slow
def test_one_that_is_killed_is_reported_and_the_same_command_finishes_it(
    write_sweep: Write, workplace: Path
) -> None:
    write_sweep(3, seconds=0.05, steps=40, checkpoint_every="10 steps")
    process = start_sweep(*POOL, cwd=workplace)
    wait_until(lambda: trained(workplace, 0) >= 25, process)
    first = swept(workplace)[0]
    (killed,) = first.steps
    os.kill(killed, signal.SIGKILL)
    output, errors = finish(process)
    assert (process.returncode, output) == (1, "")
    why = "its process was killed by SIGKILL; repeat the command to go on"
    assert errors.splitlines()[-2:] == ["warning: 1 of 3 failed", f"  train.seed=0: {why}"]
    assert f"warning: [1/3] failed: {why}\n" in errors
    assert [run.info["status"] for run in swept(workplace)] == ["running", "finished", "finished"]
    again = start_sweep(*POOL, cwd=workplace)
    _, errors = finish(again)
    assert again.returncode == 0, errors
    assert [run.info["status"] for run in swept(workplace)] == ["finished"] * 3
    at = first.sessions[1][0]
    assert first.sessions == [(0, None), (at, 40)]
    assert at in (20, 30)
    _, second = first.steps.values()
    assert second == list(range(at + 1, 41))
    assert f"going on       from step {at}, " in errors
    assert [run.sessions for run in swept(workplace)[1:]] == [[(0, 40)]] * 2


def trained(folder: Path, index: int) -> int:
    """Return how many steps the run of this index has trained."""
    runs = swept(folder)
    return sum(map(len, runs[index].steps.values())) if len(runs) > index else 0


@pytest.mark.parametrize(
    ("number", "of_group"),
    [pytest.param(signal.SIGTERM, False, marks=pytest.mark.slow), (signal.SIGINT, True)],
)
def test_a_signal_stops_all_of_them_after_they_saved(
    write_sweep: Write, ganlab: Ganlab, workplace: Path, number: int, of_group: bool
) -> None:
    exp = write_sweep(3, **LONG)
    process = start_sweep(*POOL, cwd=workplace)
    wait_until(lambda: both_saved(workplace), process)
    (os.killpg if of_group else os.kill)(process.pid, number)
    output, errors = finish(process)
    assert (process.returncode, output) == (128 + number, "")
    name = signal.Signals(number).name
    said = f"{name}: saved; 3 of 3 are left; repeat the command to go on."
    assert errors.splitlines()[-1] == said
    assert "Traceback" not in errors
    runs = swept(workplace)
    assert [run.info["status"] for run in runs] == ["interrupted"] * 2
    for run in runs:
        assert run.sessions == [(0, max(max(steps) for steps in run.steps.values()))]
        assert not any(map(alive, run.steps))
    most = max(run.info["progress"]["steps"] for run in runs)
    result = ganlab("sweep", exp, "--no-board", "-s", f"train.steps={most + 1}")
    assert result.exit_code == 0, result.output
    for run in runs:
        assert f"going on       from step {run.sessions[0][1]:,}, " in result.stderr
        assert run.sessions[1] == (run.sessions[0][1], most + 1)


@pytest.mark.slow
def test_processes_whose_sweep_is_killed_save_and_end(write_sweep: Write, workplace: Path) -> None:
    write_sweep(2, **LONG)
    process = start_sweep(*POOL, cwd=workplace)
    wait_until(lambda: both_saved(workplace), process)
    process.kill()
    finish(process)
    runs = swept(workplace)
    wait_until(lambda: not any(alive(one) for run in runs for one in run.steps))
    assert [run.info["status"] for run in runs] == ["interrupted"] * 2
    assert [len(run.steps) for run in runs] == [1, 1]


@pytest.mark.slow
def test_one_that_is_stopped_by_itself_is_reported(write_sweep: Write, workplace: Path) -> None:
    write_sweep(2, seconds=0.02, steps=60, checkpoint_every="2 steps")
    process = start_sweep(*POOL, cwd=workplace)
    wait_until(lambda: trained(workplace, 0) >= 4, process)
    (one,) = swept(workplace)[0].steps
    os.kill(one, signal.SIGTERM)
    _, errors = finish(process)
    assert process.returncode == 1
    assert errors.splitlines()[-1] == (
        "  train.seed=0: SIGTERM: saved; repeat the command to go on"
    )
    assert [run.info["status"] for run in swept(workplace)] == ["interrupted", "finished"]


def test_one_that_fails_is_reported_and_the_others_are_trained_and_ranked(
    write_sweep: Write, ganlab: Ganlab, workplace: Path
) -> None:
    bad, good = {"type": "sgd", "lr": 1e30}, "adam"
    exp = write_sweep(0, grid={"optimizer": [bad, good], "train.seed": [0, 1]})
    result = ganlab("sweep", exp, "--jobs", "2", "-s", "callbacks=[{type: trace, fails: true}]")
    assert result.exit_code == 1
    by_status: dict[str, list[Swept]] = {}
    for run in swept(workplace):
        by_status.setdefault(run.info["status"], []).append(run)
    assert {status: len(runs) for status, runs in by_status.items()} == {
        "diverged": 1,
        "failed": 2,
        "finished": 1,
    }
    reasons = {
        number: next(line for line in result.stderr.splitlines() if line.startswith(start))
        for number in range(1, 4 + 1)
        if (start := f"warning: [{number}/4] failed") in result.stderr
    }
    assert sorted(reasons) == [1, 2, 4]
    assert " became " in reasons[1]
    bug = "callback 'trace': on_step_end() raised KeyError at "
    assert bug in reasons[4]
    assert result.stderr.count("Traceback") == 0
    head, *failed = result.stderr[result.stderr.index("warning: 3 of 4 failed") :].splitlines()[:4]
    assert head == "warning: 3 of 4 failed"
    assert [line.split(": ")[0].strip() for line in failed] == [
        "optimizer=sgd(lr 1e+30)  train.seed=0",
        "optimizer=sgd(lr 1e+30)  train.seed=1",
        "optimizer=adam  train.seed=1",
    ]
    assert result.stdout.splitlines()[2].split()[0] == "1"


def test_a_process_that_ends_without_a_word_is_reported() -> None:
    place = Place(".", "runs", "auto", None, [], {}, [])
    job = Job(1, "exp", {}, "", {}, place)
    events = list(Pool("platform", [{}]).run([job]))  # a module that knows nothing of jobs
    assert isinstance(events[0], RunStarted)
    assert events[-1] == RunFailed(1, "its process ended with exit code 0")
