"""Whatever happens to one process ends all of them, and the run can go on."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ganlab.run_directory import read_run
from tests.ranks.helpers import (
    Ended,
    assert_near,
    ganlab,
    running,
    state_below,
    step_of,
    torchrun,
    wait_for_step,
)
from tests.training.helpers import alive, only_run

Write = Callable[..., Path]
LONG = {"steps": 100_000, "checkpoint_every": "5 steps", "log_every": "10 steps"}
SOON = 300
"""Seconds in which all must have ended."""

FAULTY = '''
"""A regularizer that goes wrong in one process."""

import time

from ganlab import Regularizer, distributed, hookimpl


class Faulty(Regularizer):
    name = "faulty"
    how: str = "raise"

    def d_terms(self, step, state):
        zero = step.real.output.logit.sum() * 0
        if distributed.rank() == 1 and step.index == 7:
            if self.how in ("raise", "hang"):
                raise ValueError("one process only")
            if self.how == "nan":
                zero = zero * float("nan")
        if distributed.rank() == 0 and step.index == 7 and self.how == "hang":
            time.sleep(1000)
        return {"faulty": zero}


@hookimpl
def register_regularizers():
    return [Faulty]
'''


def info(folder: Path) -> dict[str, object]:
    """Return the only run's run.json."""
    return json.loads((only_run(folder) / "run.json").read_text())


def faulty(experiment: Write, how: str) -> Path:
    folder = Path("plugins")
    folder.mkdir()
    (folder / "faulty.py").write_text(FAULTY)
    return experiment(sections={"regularizers": [{"type": "faulty", "how": how}]}, **LONG)


def test_what_a_plugin_raises_in_one_process_is_said_once_and_as_in_one(
    experiment: Write, workplace: Path
) -> None:
    exp = faulty(experiment, "raise")
    ended = ganlab("run", exp, "--processes", "2", cwd=workplace).end(SOON)
    run = only_run(workplace)
    said = ended.err[ended.err.index("Error") :].splitlines()
    plugin = "Error: regularizer 'faulty': d_terms() raised ValueError at faulty.py:"
    assert said[0].startswith(plugin)
    assert said[0].endswith(": one process only")
    assert said[1] == f"  traceback: {run.relative_to(workplace)}/traceback.txt"
    assert len(said) == 2
    assert ended.code == 3
    assert "ValueError: one process only" in (run / "traceback.txt").read_text()
    assert info(workplace)["status"] == "failed"
    assert info(workplace)["error"] == "\n".join(said).removeprefix("Error: ")
    assert step_of(workplace / "runs") == 5


@pytest.mark.slow
def test_a_first_process_that_hangs_says_what_another_failed_of_and_ends(
    experiment: Write, workplace: Path
) -> None:
    exp = faulty(experiment, "hang")
    ended = ganlab("run", exp, "--processes", "2", cwd=workplace).end(60)
    assert ended.code == 3
    assert ended.err.count("Error: regularizer 'faulty': d_terms() raised ValueError") == 1
    assert read_run(only_run(workplace)).status == "killed"


@pytest.mark.slow
def test_a_number_that_is_not_finite_in_one_process_is_divergence_in_all(
    experiment: Write, workplace: Path
) -> None:
    exp = faulty(experiment, "nan")
    ended = ganlab("run", exp, "--processes", "2", cwd=workplace).end(SOON)
    assert ended.code == 1
    assert ended.last_line == (
        "Error: d/faulty became nan at step 8: it is a term of regularizers.faulty"
    )
    assert info(workplace)["status"] == "diverged"


@pytest.mark.parametrize(
    ("who", "number", "code"),
    [
        ("launcher", signal.SIGTERM, 143),
        pytest.param("launcher", signal.SIGINT, 130, marks=pytest.mark.slow),
        pytest.param(0, signal.SIGTERM, 143, marks=pytest.mark.slow),
        pytest.param(1, signal.SIGTERM, 143, marks=pytest.mark.slow),
    ],
)
def test_a_signal_to_anyone_saves_and_stops_all(
    experiment: Write, workplace: Path, who: str | int, number: signal.Signals, code: int
) -> None:
    exp = experiment(**LONG)
    with running(ganlab("run", exp, "--processes", "2", cwd=workplace)) as started:
        wait_for_step(started, workplace / "runs", 10)
        ranks = started.ranks()
        os.kill(started.process.pid if isinstance(who, str) else ranks[who], number)
        ended = started.end(SOON)
    assert ended.code == code, ended.err
    step = step_of(workplace / "runs")
    assert ended.last_line == f"{number.name}: saved at step {step}; repeat the command to go on."
    assert info(workplace)["status"] == "interrupted"
    assert not any(map(alive, ranks.values()))


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1])
def test_a_killed_process_ends_all_and_the_run_goes_on_as_if_nothing_had_been(
    experiment: Write, workplace: Path, victim: int
) -> None:
    exp = experiment(**LONG)
    with running(ganlab("run", exp, "--processes", "2", cwd=workplace)) as started:
        wait_for_step(started, workplace / "runs", 10)
        ranks = started.ranks()
        os.kill(ranks[victim], signal.SIGKILL)
        ended = started.end(SOON)
    assert ended.code == 1, ended.err
    said = {
        0: "Error: process 0 was ended by SIGKILL: repeat the command to go on",
        1: "Error: another process of this run was killed or lost: repeat the command to go on",
    }
    assert ended.err[ended.err.index("Error") :].splitlines() == [said[victim]]
    assert not any(map(alive, ranks.values()))
    last = step_of(workplace / "runs") + 20
    assert _until(exp, last, workplace).code == 0
    assert _until(exp, last, workplace, "--runs-dir", "one").code == 0
    assert_near(state_below(workplace / "runs"), state_below(workplace / "one"))


def _until(exp: Path, steps: int, workplace: Path, *more: str) -> Ended:
    return ganlab("run", exp, "-s", f"train.steps={steps}", *more, cwd=workplace).end()


@pytest.mark.slow
def test_no_process_outlives_a_launcher_that_is_killed(experiment: Write, workplace: Path) -> None:
    exp = experiment(**LONG)
    with running(ganlab("run", exp, "--processes", "2", cwd=workplace)) as started:
        wait_for_step(started, workplace / "runs", 10)
        ranks = started.ranks()
        started.process.kill()
        end = time.monotonic() + SOON
        while any(map(alive, ranks.values())) and time.monotonic() < end:
            time.sleep(0.1)
        assert not any(map(alive, ranks.values()))
    assert info(workplace)["status"] == "interrupted"
    last = step_of(workplace / "runs") + 5
    assert _until(exp, last, workplace).code == 0


@pytest.mark.slow
def test_a_budget_of_seconds_ends_all_at_one_step(experiment: Write, workplace: Path) -> None:
    exp = experiment(**LONG)
    ended = ganlab("run", exp, "--processes", "2", "-s", "train.seconds=2", cwd=workplace).end()
    assert ended.code == 0, ended.err
    assert info(workplace)["status"] == "finished"


@pytest.mark.slow
def test_a_run_that_somebody_trains_is_refused_in_one_line(
    experiment: Write, workplace: Path
) -> None:
    exp = experiment(**LONG)
    with running(ganlab("run", exp, "--processes", "2", cwd=workplace)) as started:
        wait_for_step(started, workplace / "runs", 10)
        second = ganlab("run", exp, "--processes", "2", cwd=workplace).end(SOON)
    assert second.code == 1
    run = only_run(workplace).relative_to(workplace)
    assert second.last_line == f"Error: {run} is in use: another process trains this run"


@pytest.mark.slow
def test_a_mistake_in_the_experiment_is_said_once(experiment: Write, workplace: Path) -> None:
    exp = experiment(steps=2)
    ended = ganlab("run", exp, "--processes", "2", "-s", "loss=tinny", cwd=workplace).end(SOON)
    alone = ganlab("run", exp, "-s", "loss=tinny", cwd=workplace).end(SOON)
    assert (ended.code, ended.err) == (alone.code, alone.err)
    assert ended.code == 2


@pytest.mark.slow
def test_under_torchrun_the_first_process_says_what_another_failed_of(
    experiment: Write, workplace: Path
) -> None:
    exp = faulty(experiment, "raise")
    options = ["--standalone", "--nproc-per-node", "2", "--local-addr", "localhost"]
    ended = torchrun("run", exp, options=options, cwd=workplace).end(SOON)
    assert ended.code == 1  # torchrun's own
    assert ended.err.count("Error: regularizer 'faulty': d_terms() raised ValueError") == 1
    assert info(workplace)["status"] == "failed"
