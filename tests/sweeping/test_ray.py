"""``ganlab sweep --on ray``: a real Ray on this machine, and a worker that is killed."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from tests.sweeping.helpers import Swept, finish, lines_of, start_sweep, swept, wait_until
from tests.training.helpers import alive

Write = Callable[..., Path]
Ganlab = Callable[..., Result]
pytestmark = pytest.mark.xdist_group("ray")  # one cluster at a time
ON_RAY = ("--on", "ray", "--ray-address", "local", "--jobs", "2", "--no-board")


def training(folder: Path) -> dict[int, Swept]:
    """Return the runs that are being trained and have saved, by their processes."""
    return {
        process: run
        for run in swept(folder)
        if run.info["status"] == "running" and run.checkpoints
        for process in run.steps
        if alive(process)
    }


@pytest.mark.slow
def test_eight_runs_on_two_workers_of_which_one_is_killed(
    write_sweep: Write, workplace: Path
) -> None:
    write_sweep(8, seconds=0.1, steps=30, checkpoint_every="2 steps")
    process = start_sweep(*ON_RAY, cwd=workplace, variables={"GANLAB_TEST_WORD": "here"})
    wait_until(lambda: len(training(workplace)) == 2, process)
    (victim, killed), *_ = training(workplace).items()
    os.kill(victim, signal.SIGKILL)
    _, errors = finish(process)
    assert process.returncode == 0, errors
    runs = swept(workplace)
    assert [run.info["status"] for run in runs] == ["finished"] * 8
    for number, run in enumerate(runs, start=1):
        assert run.words == {"here"}  # variables reach the workers
        if run.path == killed.path:
            (before, _), (goes_on, to) = run.sessions
            assert (before, to) == (0, 30)
            assert goes_on >= 2  # not from the start
            after = [its for worker, its in run.steps.items() if worker != victim]
            assert after == [list(range(goes_on + 1, 31))]
            again = [line for line in lines_of(number, errors) if "started again" in line]
            assert again == ["started again: its worker was lost"]
        else:  # none is trained twice
            assert run.sessions == [(0, 30)]
            (steps,) = run.steps.values()
            assert steps == list(range(1, 31))
    assert len(errors.splitlines()) < 100  # Ray's own messages do not drown ours


@pytest.mark.slow
def test_a_signal_stops_the_workers_after_they_saved_and_the_same_command_goes_on(
    write_sweep: Write, workplace: Path
) -> None:
    write_sweep(3, seconds=0.05, steps=60, checkpoint_every="20 steps")
    process = start_sweep(*ON_RAY, cwd=workplace)
    wait_until(lambda: sum(bool(run.steps) for run in swept(workplace)) == 2, process)
    process.send_signal(signal.SIGTERM)
    _, errors = finish(process)
    assert process.returncode == 128 + signal.SIGTERM, errors
    assert (
        errors.splitlines()[-1] == "SIGTERM: saved; 3 of 3 are left; repeat the command to go on."
    )
    begun = swept(workplace)
    assert [run.info["status"] for run in begun] == ["interrupted"] * 2
    wait_until(lambda: not any(alive(worker) for run in begun for worker in run.steps))
    process = start_sweep(*ON_RAY, cwd=workplace)
    _, errors = finish(process)
    assert process.returncode == 0, errors
    runs = swept(workplace)
    assert [run.info["status"] for run in runs] == ["finished"] * 3
    for run in runs:
        steps = [step for its in run.steps.values() for step in its]
        assert sorted(steps) == list(range(1, 61))


@pytest.mark.slow
def test_one_that_fails_is_reported_and_the_others_are_trained(
    write_sweep: Write, workplace: Path
) -> None:
    exp = write_sweep(3)
    exp.write_text(exp.read_text().replace("type: trace", "type: trace\n  fails: true"))
    process = start_sweep(*ON_RAY, cwd=workplace)
    _, errors = finish(process)
    assert process.returncode == 1
    assert [run.info["status"] for run in swept(workplace)] == ["finished", "failed", "finished"]
    assert "1 of 3 failed" in errors
    assert "boom" in errors


def test_without_ray_one_line_says_what_to_install(
    write_sweep: Write, ganlab: Ganlab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "ganlab.sweeping.ray", raising=False)
    result = ganlab("sweep", write_sweep(2), "--on", "ray")
    assert result.exit_code == 2
    assert result.stderr == "Error: --on ray needs Ray: pip install 'ganlab[ray]'\n"


def test_a_cluster_that_does_not_answer_is_said_at_once(write_sweep: Write, ganlab: Ganlab) -> None:
    pytest.importorskip("ray")
    result = ganlab("sweep", write_sweep(2), "--on", "ray", "--ray-address", "127.0.0.1:9")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].startswith(
        "Error: there is no way to a Ray cluster at 127.0.0.1:9: "
    )


def test_a_cluster_here_that_refuses_the_token_is_not_passed_over_for_a_new_one(
    write_sweep: Write,
    ganlab: Ganlab,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    ray = pytest.importorskip("ray")

    def init(address: str, **options: object) -> None:
        assert address == "auto"
        os.write(2, b"gcs_client.cc:210: Unauthenticated: RPC error: InvalidAuthToken\n" * 20)
        raise ConnectionError("Failed to connect to Ray cluster")

    monkeypatch.setattr(ray, "init", init)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    result = ganlab("sweep", write_sweep(2), "--on", "ray")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1] == (
        "Error: there is no way to the Ray cluster here: the token is missing or wrong: "
        "set RAY_AUTH_MODE=token, and put its token into RAY_AUTH_TOKEN or ~/.ray/auth_token, "
        "or start another: --ray-address local"
    )
    assert capfd.readouterr().err == ""


def test_what_ray_says_on_stderr_besides_is_shown(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    ray = pytest.importorskip("ray")
    from ganlab.sweeping.ray import connect

    monkeypatch.setattr(ray, "init", lambda **options: os.write(2, b"a word of Ray's\n"))
    connect(None, jobs=None)
    assert capfd.readouterr().err == "a word of Ray's\n"
