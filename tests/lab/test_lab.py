"""The library under the command line: it does what the commands do, and leaves no trace."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from click.testing import Result

import ganlab as library
from ganlab import Lab
from ganlab.errors import ConfigError, GanlabError, Interrupted, RunError, UsageError
from ganlab.events import Event, Logged, PhaseEnded, PhaseStarted, RunEnded, RunPlanned, SheetDrawn
from tests.training.helpers import TINY, assert_same_state, newest_state, only_run

Write = Callable[..., Path]
Ganlab = Callable[..., Result]


@pytest.fixture
def lab(workplace: Path) -> Lab:
    return Lab(plugins=[TINY])


# --------------------------------------------------------------------------------- train


def test_training_from_python_gives_the_weights_of_the_command(
    write_experiment: Write, ganlab: Ganlab, workplace: Path
) -> None:
    exp = write_experiment()
    assert ganlab("run", exp, "--runs-dir", "a/runs").exit_code == 0
    run = Lab("b/runs", plugins=[TINY]).train(exp)
    assert run.status == "finished"
    assert run.path == Path("b/runs") / only_run(workplace / "a").relative_to(workplace / "a/runs")
    assert_same_state(newest_state(only_run(workplace / "a")), newest_state(run.path))


def test_an_experiment_is_a_file_or_data_and_overrides_are_texts_or_a_mapping(
    lab: Lab, write_experiment: Write
) -> None:
    exp = write_experiment()
    from_file = lab.train(exp, ["train.steps=2"])
    data = {**yaml.safe_load(exp.read_text()), "name": "exp"}
    from_data = lab.train(data, {"train.steps": 2})
    assert from_data == from_file
    assert from_data.progress.steps == 2
    with pytest.raises(UsageError, match=r"^overrides are a list: write \['train.steps=2'\]$"):
        lab.train(exp, "train.steps=2")
    with pytest.raises(ConfigError, match=r"there is no section 'los'; did you mean 'loss'\?"):
        lab.check({**data, "los": "tiny"})


def test_a_finished_run_is_returned_and_a_longer_budget_continues_it(
    lab: Lab, write_experiment: Write
) -> None:
    exp = write_experiment(steps=2)
    first = lab.train(exp)
    assert lab.train(exp).info["sessions"] == first.info["sessions"]
    longer = lab.train(exp, {"train.steps": 4})
    assert longer == first
    assert longer.progress.steps == 4
    assert len(longer.info["sessions"]) == 2


def test_training_leaves_no_trace_in_the_process(
    lab: Lab, write_experiment: Write, capfd: pytest.CaptureFixture[str]
) -> None:
    exp = write_experiment(deterministic=True)

    def state() -> list[Any]:
        return [
            random.getstate(),
            np.random.get_state()[1].tolist(),
            torch.random.get_rng_state().tolist(),
            torch.are_deterministic_algorithms_enabled(),
            torch.backends.cudnn.allow_tf32,
            torch.get_num_threads(),
            torch.is_grad_enabled(),
            [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)],
            list(sys.argv),
            os.getcwd(),
        ]

    before = state()
    run = lab.train(exp)
    lab.evaluate(run, metrics=["tiny"])
    assert state() == before
    assert capfd.readouterr() == ("", "")
    assert run.info["sessions"][0]["argv"] == []


def test_a_run_trains_in_a_thread_too(lab: Lab, write_experiment: Write) -> None:
    exp, runs = write_experiment(steps=2), []
    thread = threading.Thread(target=lambda: runs.append(lab.train(exp)))
    thread.start()
    thread.join(timeout=300)
    assert [run.status for run in runs] == ["finished"]


def test_a_signal_saves_and_interrupts(lab: Lab, write_experiment: Write) -> None:
    exp = write_experiment(steps=1000)

    def tell(event: Event) -> None:
        if isinstance(event, Logged) and event.record["step"] >= 4:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt) as stopped:
        lab.train(exp, tell=tell)
    assert isinstance(stopped.value, Interrupted)
    assert stopped.value.signal == signal.SIGINT
    (run,) = lab.runs()
    assert run.status == "interrupted"
    assert 4 <= run.progress.steps < 1000


def test_events_tell_what_happens(lab: Lab, write_experiment: Write) -> None:
    events: list[Event] = []
    fresh = {"dataset": {"type": "tiny", "limit": 37}}  # no other test has it in the cache
    run = lab.train(write_experiment(steps=4, sections=fresh), tell=events.append)
    kinds = [type(event) for event in events]
    assert kinds.count(PhaseStarted) == kinds.count(PhaseEnded)
    assert events[0] == PhaseStarted("preparing tiny", total=37, unit="images")
    (planned,) = (event for event in events if isinstance(event, RunPlanned))
    assert planned.facts["run"] == str(run.path)
    assert planned.budget == {"images": None, "steps": 4, "seconds": None}
    assert [e.record["step"] for e in events if isinstance(e, Logged)] == [2, 4]
    assert all(Path(e.path).is_file() for e in events if isinstance(e, SheetDrawn))
    assert events[-1] == RunEnded(str(run.path), "finished")


# -------------------------------------------------------------------------------- errors

BROKEN = """
from ganlab import hookimpl
from tiny import {parent}


class Broken({parent}):
    name = "broken"

    def {method}(self, *_):
        raise ValueError("broken on purpose")


@hookimpl
def register_{hook}():
    return [Broken]
"""
PHASES = {  # the kind of component, its class, its method, the hook
    "data": ("dataset", "TinyData", "read", "datasets"),
    "build": ("generator", "TinyGenerator", "build", "generators"),
    "train": ("loss", "TinyLoss", "d", "losses"),
    "score": ("metric", "TinyMetric", "compute", "metrics"),
}


@pytest.mark.parametrize("phase", ["data", "build", "train", "score"])
def test_an_exception_in_each_phase_is_a_ganlab_error_with_a_cause(
    write_experiment: Write, ganlab: Ganlab, workplace: Path, phase: str
) -> None:
    kind, parent, method, hook = PHASES[phase]
    (workplace / "plugins").mkdir()
    text = BROKEN.format(parent=parent, method=method, hook=hook)
    (workplace / "plugins" / f"broken_{phase}.py").write_text(text)
    lab = Lab(plugins=[TINY])
    exp = write_experiment(sections={} if kind == "metric" else {kind: "broken"}, steps=2)

    def everything() -> None:
        lab.train(exp)
        lab.evaluate(metrics=["broken"])

    with pytest.raises(GanlabError, match="broken on purpose") as error:
        everything()
    assert isinstance(error.value.__cause__, ValueError)
    command = ("eval", "-m", "broken") if kind == "metric" else ("run", exp)
    result = ganlab(*command)
    assert result.exit_code != 0
    assert isinstance(result.exception, SystemExit)
    assert "Traceback" not in result.output
    (line,) = [line for line in result.stderr.splitlines() if "broken on purpose" in line]
    assert line.startswith("Error: ")


def test_a_full_disk_while_the_board_is_written_is_one_line(
    lab: Lab, write_experiment: Write, ganlab: Ganlab
) -> None:
    lab.train(write_experiment(steps=2))
    result = ganlab("eval", "-m", "tiny", "--html", "missing/board.html")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].startswith("Error: cannot write missing/board.html: ")


# ------------------------------------------------------------------------- score and sweep


def test_evaluate_is_the_board_of_the_command(
    lab: Lab, write_experiment: Write, ganlab: Ganlab
) -> None:
    run = lab.train(write_experiment(steps=2))
    board = lab.evaluate([run], metrics=["tiny"])
    assert ganlab("eval", "-m", "tiny").stdout == f"{board}\n"
    assert lab.evaluate("exp", metrics="tiny").rows == board.rows  # type: ignore[arg-type]
    assert lab.evaluate(metrics=["tiny"]).rows == board.rows
    with pytest.raises(UsageError, match="there is no profile 'quik'; allowed: quick, standard"):
        lab.evaluate(run, profile="quik")
    with pytest.raises(RunError, match="there is no run 'nope'"):
        lab.evaluate("nope")


def test_a_sweep_returns_its_board_and_what_failed(lab: Lab, write_experiment: Write) -> None:
    exp = write_experiment(steps=2, sections={"sweep": {"train.seed": [0, 1]}})
    events: list[Event] = []
    board = lab.sweep(exp, tell=events.append)
    assert board.failed == ()
    (row,) = board.rows
    assert row["seeds"] == [0, 1]
    assert [run.seed for run in lab.runs("exp")] == [0, 1]
    assert lab.sweep(exp).rows == board.rows


def test_runs_draw_images_with_the_plugins_of_their_lab(lab: Lab, write_experiment: Write) -> None:
    run = lab.train(write_experiment(steps=2))
    images = run.sample([0, 3, 1])
    assert images.shape == (3, 1, 16, 16)
    assert torch.equal(lab.load(run).sample([0, 3, 1]), images)
    assert lab.run("exp") == run


def test_bench_measures(lab: Lab, write_experiment: Write) -> None:
    measured = lab.bench(write_experiment(), steps=7, against=[{"train.batch_size": 4}])
    assert len(measured.measured) == 2
    assert str(measured).startswith("experiment  exp\n")
    assert [one["batch_size"] for one in measured.as_data()["settings"]] == [8, 4]


# ------------------------------------------------------------------------------ shortcuts


def test_the_shortcuts_work_in_the_working_directory(
    write_experiment: Write, workplace: Path
) -> None:
    (workplace / "plugins").symlink_to(TINY)
    exp = write_experiment(steps=2)
    run = library.train(exp)
    assert library.runs() == [run]
    assert library.check(exp).train.steps == 2
    assert library.evaluate(run, metrics=["tiny"]).rows[0]["rank"] == 1


def test_importing_the_library_imports_no_torch() -> None:
    code = "import sys, ganlab; ganlab.Lab(); ganlab.train; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
