"""``ganlab eval --jobs``: runs are scored in several processes, and the board is the same."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from tests.sweeping.helpers import Swept, finish, swept, wait_until
from tests.training.helpers import command

Write = Callable[..., Path]
Ganlab = Callable[..., Result]
ASKED = ("--metric", "tiny", "--extractor", "tiny", "--samples", "40", "--seeds", "2")
SLOW = """
import os, time
from pathlib import Path
from ganlab import Metric, hookimpl

class Slow(Metric):
    "Waits where it is told to."
    name = "slow"
    higher_is_better = False

    def compute(self, fake, real):
        wait = Path("wait")
        if wait.exists() and "GANLAB_SCORING_PARENT" in os.environ:
            if str(os.getpid()) != os.environ["GANLAB_SCORING_PARENT"]:
                with open("waiting", "a") as file:
                    file.write(f"{os.getpid()}\\n")
                time.sleep(600)
        return {"slow": 1.0}

@hookimpl
def register_metrics():
    return [Slow]
"""


@pytest.fixture
def trained(write_sweep: Write, ganlab: Ganlab) -> None:
    """Three runs without scores."""
    assert ganlab("sweep", write_sweep(3), "--no-board").exit_code == 0


def recorded(folder: Path) -> list[Any]:
    """Return what is recorded of each run but for times."""
    found = []
    for run in swept(folder):
        lines = map(json.loads, (run.path / "scores.jsonl").read_text().splitlines())
        found.append([{**line, "seconds": 0, "time": ""} for line in lines])
    return found


def forget(runs: Sequence[Swept]) -> None:
    for run in runs:
        (run.path / "scores.jsonl").unlink(missing_ok=True)


@pytest.mark.usefixtures("trained")
def test_the_board_and_the_records_are_those_of_one_process(
    ganlab: Ganlab, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    alone = ganlab("eval", *ASKED)
    assert alone.exit_code == 0, alone.output
    before = recorded(workplace)
    assert [len(lines) for lines in before] == [1, 1, 1]
    forget(swept(workplace))
    several = ganlab("eval", *ASKED, "--jobs", "2")
    assert (several.exit_code, several.stdout) == (0, alone.stdout)
    for ours, theirs in zip(recorded(workplace), before, strict=True):
        assert ours[0]["metrics"] == theirs[0]["metrics"]
        assert ours[0].keys() == theirs[0].keys()
    for run in swept(workplace):
        name = "/".join(run.path.parts[-2:])
        lines = [line for line in several.stderr.splitlines() if name in line]
        assert lines == [
            name,
            f"  {name}: sampling seed 0: 40 images",
            f"  {name}: sampling seed 1: 40 images",
        ]
    again = ganlab("eval", *ASKED, "--jobs", "2")
    assert (again.stdout, again.stderr) == (alone.stdout, "")


@pytest.mark.slow
@pytest.mark.usefixtures("trained")
def test_epochs_are_scored_at_once_and_known_ones_start_no_process(
    ganlab: Ganlab, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = swept(workplace)[:2]
    named = [run.path for run in runs]
    alone = ganlab("eval", *named, *ASKED, "--every")
    assert alone.exit_code == 0, alone.output
    forget(runs)
    several = ganlab("eval", *named, *ASKED, "--every", "--jobs", "2")
    assert (several.exit_code, several.stdout) == (0, alone.stdout)
    names = ["/".join(run.path.parts[-2:]) for run in runs]
    told = several.stderr.splitlines()
    assert [told.count(f"{name} epoch 0") for name in names] == [1, 1]
    assert not set(names) & set(told)
    monkeypatch.setattr("ganlab.sweeping.pool.subprocess.Popen", None)
    for options in (["--every"], ["--epoch", "0"]):
        again = ganlab("eval", *named, *ASKED, *options, "--jobs", "2")
        assert again.exit_code == 0, again.output
        assert "sampling seed" not in again.stderr


@pytest.mark.slow
@pytest.mark.usefixtures("trained")
@pytest.mark.parametrize("strict", [True, False])
def test_a_run_that_cannot_be_scored_is_told_as_in_one_process(
    ganlab: Ganlab, workplace: Path, strict: bool
) -> None:
    runs = swept(workplace)
    for file in (runs[1].path / "checkpoints").glob("*.safetensors"):
        file.write_bytes(file.read_bytes()[:-9])
    named = [run.path for run in runs] if strict else []
    alone = ganlab("eval", *named, *ASKED)
    forget(runs)
    several = ganlab("eval", *named, *ASKED, "--jobs", "2")
    assert (several.exit_code, several.stdout) == (alone.exit_code, alone.stdout)
    told = [
        [line for line in result.stderr.splitlines() if "damaged" in line]
        for result in (alone, several)
    ]
    assert told[0] == told[1]
    assert [line.split(":")[0] for line in told[0]] == ["Error" if strict else "warning"]
    assert alone.exit_code == (1 if strict else 0)
    assert (runs[2].path / "scores.jsonl").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("trained")
def test_a_process_that_is_killed_and_a_signal(workplace: Path) -> None:
    (workplace / "plugins" / "slow.py").write_text(SLOW)
    waiting = workplace / "waiting"
    here = ["bash", "-c", 'GANLAB_SCORING_PARENT=$$ exec "$@"', "bash"]

    def start() -> subprocess.Popen[str]:
        waiting.unlink(missing_ok=True)
        (workplace / "wait").touch()
        process = subprocess.Popen(
            [*here, *command("eval", "--metric", "slow", *ASKED[2:], "--jobs", "2")],
            cwd=workplace,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        wait_until(lambda: waiting.exists() and len(waiting.read_text().splitlines()) == 2, process)
        return process

    process = start()
    process.send_signal(signal.SIGTERM)
    _, errors = finish(process)
    assert process.returncode == 128 + signal.SIGTERM
    assert errors.splitlines()[-1] == (
        "SIGTERM: what is scored is recorded; repeat the command to go on."
    )
    assert not list(workplace.glob("runs/*/*/scores.jsonl"))

    process = start()
    (workplace / "wait").unlink()
    for pid in map(int, waiting.read_text().split()):
        os.kill(pid, signal.SIGKILL)
    board, errors = finish(process)
    assert process.returncode == 0, errors
    assert errors.count("not scored, tried again alone") == 2
    assert [len(lines) for lines in recorded(workplace)] == [1, 1, 1]
    assert board.splitlines()[0].startswith("tiny-tiny-000000000000  N=40")
