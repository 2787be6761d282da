"""A run that is stopped goes on as if it had not been: bit for bit."""

from __future__ import annotations

import json
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from safetensors import safe_open
from safetensors.torch import save

from ganlab.run_directory import read_run
from ganlab.training import checkpoint
from tests.training.helpers import assert_same_state, newest_state, only_run, start

Write = Callable[..., Path]
Ganlab = Callable[..., Result]


def test_half_then_the_whole_equals_the_whole(
    write_experiment: Write, ganlab: Ganlab, workplace: Path
) -> None:
    exp = write_experiment(steps=12)
    assert ganlab("run", exp, "--runs-dir", "whole/runs").exit_code == 0
    assert ganlab("run", exp, "--runs-dir", "half/runs", "-s", "train.steps=5").exit_code == 0
    assert ganlab("run", exp, "--runs-dir", "half/runs").exit_code == 0
    whole, half = only_run(workplace / "whole"), only_run(workplace / "half")
    assert whole.name == half.name
    assert_same_state(newest_state(whole), newest_state(half))
    sessions = json.loads((half / "run.json").read_text())["sessions"]
    assert [(s["from_step"], s["to_step"]) for s in sessions] == [(0, 5), (5, 12)]


def test_a_finished_run_is_left_alone_and_says_so(write_experiment: Write, ganlab: Ganlab) -> None:
    exp = write_experiment(steps=2)
    ganlab("run", exp)
    result = ganlab("run", exp)
    assert result.exit_code == 0
    assert "This run is finished: give it a longer budget to go on" in result.stderr


def test_fresh_starts_over_and_sets_the_old_run_aside(
    write_experiment: Write, ganlab: Ganlab, workplace: Path
) -> None:
    exp = write_experiment(steps=2)
    ganlab("run", exp)
    before = newest_state(only_run(workplace))
    assert ganlab("run", exp, "--fresh").exit_code == 0
    run = only_run(workplace)
    assert_same_state(before, newest_state(run))
    assert_same_state(before, newest_state(run.with_name(f"{run.name}~1")))


@pytest.mark.parametrize(
    "changes",
    [
        {"log_every": "5 steps"},
        {"sample_every": "never"},
        {"checkpoint_every": "1 steps"},
        {"log_every": "never", "sample_every": "1 steps", "checkpoint_every": "never"},
    ],
)
def test_intervals_change_nothing_that_is_learned(
    write_experiment: Write, ganlab: Ganlab, workplace: Path, changes: dict[str, str]
) -> None:
    ganlab("run", write_experiment(steps=6), "--runs-dir", "a/runs")
    result = ganlab("run", write_experiment(steps=6, **changes), "--runs-dir", "b/runs")
    assert result.exit_code == 0, result.output
    a, b = only_run(workplace / "a"), only_run(workplace / "b")
    assert a.name == b.name
    assert_same_state(newest_state(a), newest_state(b))


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(
    write_experiment: Write, ganlab: Ganlab, workplace: Path
) -> None:
    exp = write_experiment(steps=4)
    for place, seed in (("a", 0), ("b", 0), ("c", 1)):
        ganlab("run", exp, "--runs-dir", f"{place}/runs", "-s", f"train.seed={seed}")
    a, b, c = (newest_state(only_run(workplace / place)) for place in "abc")
    assert_same_state(a, b)
    assert not (a["generator/first.weight"] == c["generator/first.weight"]).all()


@pytest.mark.parametrize("times", [3, pytest.param(10, marks=pytest.mark.slow)])
def test_kill_9_at_random_moments_gives_the_weights_of_an_uninterrupted_run(
    write_experiment: Write, ganlab: Ganlab, workplace: Path, times: int
) -> None:
    steps = 40 * times
    exp = write_experiment(
        steps=steps, checkpoint_every="3 steps", log_every="7 steps", sample_every="50 steps"
    )
    assert ganlab("run", exp, "--runs-dir", "whole/runs").exit_code == 0
    (workplace / "killed").mkdir()
    moments = random.Random(0)
    for _ in range(times):
        process = start("run", exp, cwd=workplace / "killed")
        # Wait for it to train, from wherever it is, then some milliseconds more.
        target = _step(workplace / "killed") + moments.randint(1, 15)
        while _step(workplace / "killed") < target and process.poll() is None:
            time.sleep(0.002)
        time.sleep(moments.uniform(0, 0.02))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL, "the run ended before it could be killed"
    last = ganlab("run", exp, "--runs-dir", "killed/runs")
    assert last.exit_code == 0, last.output
    run = only_run(workplace / "killed")
    assert_same_state(newest_state(only_run(workplace / "whole")), newest_state(run))
    sessions = json.loads((run / "run.json").read_text())["sessions"]
    assert len(sessions) == times + 1
    whole = only_run(workplace / "whole")
    assert losses(run) == losses(whole)
    assert [record["step"] for record in losses(run)] == [*range(7, steps, 7), steps]


def losses(run: Path) -> list[dict[str, float]]:
    """Return a run's log without what was measured."""
    measured = ("seconds", "images_per_second")
    return [{k: v for k, v in r.items() if k not in measured} for r in read_run(run).records()]


def _step(folder: Path) -> int:
    """Return the step of the newest checkpoint below a folder."""
    files = list(folder.glob("runs/*/*/checkpoints/step-*.safetensors"))
    return max((int(file.stem.removeprefix("step-")) for file in files), default=0)


KILL_BEFORE_RENAME = """
import os, signal, sys
rename, count = os.replace, 0
def kill_at_the_third_checkpoint(source, target):
    global count
    count += "step-" in str(target)
    if count == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    rename(source, target)
os.replace = kill_at_the_third_checkpoint
sys.argv[0] = "ganlab"
from ganlab.cli import main
main()
"""


def test_a_kill_between_writing_a_checkpoint_and_renaming_it_loses_nothing(
    write_experiment: Write, ganlab: Ganlab, workplace: Path
) -> None:
    exp = write_experiment(steps=12)
    ganlab("run", exp, "--runs-dir", "whole/runs")
    (workplace / "killed").mkdir()
    process = start("run", exp, cwd=workplace / "killed", script=KILL_BEFORE_RENAME)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    run = only_run(workplace / "killed")
    names = sorted(
        file.name for file in (run / "checkpoints").glob("*step-0*") if "gen" not in file.name
    )
    assert names == [
        ".step-000000009.safetensors.tmp",
        "step-000000003.safetensors",
        "step-000000006.safetensors",
    ]
    assert start("run", exp, cwd=workplace / "killed").communicate()
    assert_same_state(newest_state(only_run(workplace / "whole")), newest_state(run))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_saves_says_how_to_go_on_and_sets_the_exit_code(
    write_experiment: Write, workplace: Path, number: signal.Signals, code: int
) -> None:
    exp = write_experiment(steps=100_000, checkpoint_every="2 steps")
    process = start("run", exp, cwd=workplace)
    while _step(workplace) < 4 and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(number)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == code
    run = only_run(workplace)
    info = json.loads((run / "run.json").read_text())
    assert info["status"] == "interrupted"
    step = info["progress"]["steps"]
    assert f"{number.name}: saved at step {step}; repeat the command to go on." in errors
    assert _step(workplace) == step


def test_two_processes_cannot_train_one_run(
    write_experiment: Write, workplace: Path, ganlab: Ganlab
) -> None:
    exp = write_experiment(steps=100_000, checkpoint_every="2 steps")
    process = start("run", exp, cwd=workplace)
    while _step(workplace) < 4 and process.poll() is None:
        time.sleep(0.01)
    result = ganlab("run", exp)
    process.kill()
    process.communicate()
    run = only_run(workplace).relative_to(workplace)
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1] == (
        f"Error: {run} is in use: another process trains this run"
    )


def test_checkpoints_with_the_names_of_format_1_are_sampled_and_continued(
    write_experiment: Write, ganlab: Ganlab, workplace: Path
) -> None:
    exp = write_experiment(steps=6)
    assert ganlab("run", exp, "--runs-dir", "whole/runs").exit_code == 0
    assert ganlab("run", exp, "-s", "train.steps=3").exit_code == 0
    run = only_run(workplace)
    old_names = {
        new: old for old, new in checkpoint.RENAMED_SINCE[1].items()
    }  # what an older version wrote
    for path in (run / "checkpoints").glob("*.safetensors"):
        with safe_open(path, framework="pt") as file:
            meta = json.loads(file.metadata()["ganlab"])
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        for new, old in old_names.items():
            tensors = {
                old + key.removeprefix(new) if key.startswith(new) else key: value
                for key, value in tensors.items()
            }
        meta |= {"format": 1, "sha256": checkpoint._hash(tensors)}
        path.write_bytes(save(tensors, {"ganlab": json.dumps(meta)}))
    assert any("discriminator/verdict.head." in key for key in newest_names(run))
    assert ganlab("sample", "exp").exit_code == 0
    assert ganlab("run", exp).exit_code == 0
    assert_same_state(newest_state(only_run(workplace / "whole")), newest_state(run))


def newest_names(run: Path) -> list[str]:
    newest = max((run / "checkpoints").glob("step-*.safetensors"))
    with safe_open(newest, framework="pt") as file:
        return list(file.keys())
