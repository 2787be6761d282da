"""``ganlab sweep``: what it prints, what it skips, and how it fares when experiments fail."""

from __future__ import annotations

import json
import re
import signal
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from ganlab.config.experiment import Experiment
from ganlab.run_directory import RunDirectory
from tests.training.helpers import newest_state, start

Write = Callable[..., Path]
Ganlab = Callable[..., Result]
GRID = {"conditioning": ["tiny", "blank"], "train.seed": [0, 1]}
NAMES = [f"conditioning={c}  train.seed={s}" for c in ("tiny", "blank") for s in (0, 1)]
EVAL = {"metrics": ["tiny"], "extractor": "tiny"}

numbers = count()


@pytest.fixture(autouse=True)
def _without_companions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANLAB_BLOCK_PLUGINS", "metrics.cond_acc")


@pytest.fixture
def write_sweep(write_experiment: Write) -> Write:
    """Write ``grid.yaml``: two schemes and two seeds of four steps, unless told otherwise."""

    def write(
        grid: dict[str, Any] | None = None, *, sections: dict[str, Any] | None = None, **train: Any
    ) -> Path:
        more = {"sweep": grid or GRID, "eval": EVAL} | (sections or {})
        return write_experiment("grid.yaml", sections=more, **{"steps": 4} | train)

    return write


def add_plugin(workplace: Path, text: str) -> None:
    """Write a plugin file: under a new name, for one process imports a name but once."""
    (workplace / "plugins").mkdir(exist_ok=True)
    (workplace / "plugins" / f"swept_{next(numbers)}.py").write_text(text)


def folders(workplace: Path, *, runs: str = "runs") -> list[str]:
    """Return the run folders in the order in which they were made."""
    files = (workplace / runs).glob("*/*/run.json")
    infos = {file.parent: json.loads(file.read_text()) for file in files}
    made = sorted(infos, key=lambda path: (path / "experiment.yaml").stat().st_mtime_ns)
    return [str(path.relative_to(workplace)) for path in made]


def dry_run(ganlab: Ganlab, exp: Path, *options: str) -> list[list[str]]:
    """Return the table of what would be trained, without its head: folder and status a row."""
    result = ganlab("sweep", exp, "--dry-run", *options)
    assert result.exit_code == 0, result.output
    rows = result.stdout.splitlines()[1:]
    return [[cell.strip() for cell in row.split("  ") if cell.strip()][-2:] for row in rows]


def without_features(text: str) -> list[str]:
    """Leave out what is said of real images when their features are not cached yet.

    The estimate of the time left depends on the machine.
    """
    lines = (re.sub(r"about .* left$", "about TIME left", line) for line in text.splitlines())
    return [line for line in lines if not line.startswith("  ")]


def test_every_experiment_is_trained_and_ranked_and_the_output_is_short(
    write_sweep: Write, ganlab: Ganlab, workplace: Path
) -> None:
    exp = write_sweep()
    result = ganlab("sweep", exp)
    assert result.exit_code == 0, result.output
    runs = folders(workplace)
    lines = without_features(result.stderr)
    overall = [f"{count} of 4 finished, about TIME left" for count in (1, 2, 3)]
    assert lines[3:15:4] == overall
    for number, (name, run) in enumerate(zip(NAMES, runs, strict=True)):
        title, folder, last = lines[4 * number : 4 * number + 3]
        assert title == f"[{number + 1}/4] {name}"
        assert folder == f"run            {run}"
        assert last.startswith("[1/1][4/5] Loss_D: ")
        assert last.endswith(" img/s")
    assert lines[15:] == [str(Path(run).relative_to("runs")) for run in runs]
    board = result.stdout.splitlines()
    assert board[0].startswith("tiny-tiny-000000000000  N=40 against tiny train")
    assert board[1].split()[1:3] == ["tiny", "↓"]
    assert len([line for line in board if " ± " in line]) == 2  # a scheme a row, of two seeds


def test_the_same_call_again_trains_nothing_and_prints_the_same_board(
    write_sweep: Write, ganlab: Ganlab, workplace: Path
) -> None:
    exp = write_sweep({"train.seed": [0, 1]})
    first = ganlab("sweep", exp)
    states = [newest_state(workplace / run).keys() for run in folders(workplace)]
    again = ganlab("sweep", exp)
    runs = folders(workplace)
    assert again.exit_code == 0
    assert again.stdout == first.stdout
    assert again.stderr.splitlines() == [
        "[1/2] train.seed=0",
        f"run            {runs[0]}",
        "finished already",
        "[2/2] train.seed=1",
        f"run            {runs[1]}",
        "finished already",
    ]
    assert [newest_state(workplace / run).keys() for run in runs] == states
    for run in runs:
        assert len(json.loads(Path(run, "run.json").read_text())["sessions"]) == 1


def test_dry_run_prints_settings_folders_and_how_far_they_are(
    write_sweep: Write, ganlab: Ganlab, workplace: Path
) -> None:
    mixed = {"generator": "tiny", "discriminator": "blank"}
    exp = write_sweep({"conditioning": [["tiny"], mixed], "train.seed": [0]})
    result = ganlab("sweep", exp, "--dry-run")
    assert result.exit_code == 0, result.output
    head, *rows = result.stdout.splitlines()
    runs = [row.split()[-2] for row in rows]
    assert [head, *rows] == [
        "   conditioning     train.seed  run                  status",
        f"1  tiny             0           {runs[0]}  new",
        f"2  D blank, G tiny  0           {runs[1]}  new",
    ]
    assert not (workplace / "runs").exists()
    assert ganlab("sweep", exp, "--no-board", "-s", "train.steps=2").exit_code == 0
    assert sorted(folders(workplace)) == sorted(runs)
    info = Path(runs[0], "run.json")
    stopped = json.loads(info.read_text()) | {"status": "interrupted"}
    info.write_text(json.dumps(stopped))
    assert dry_run(ganlab, exp) == [
        [runs[0], "interrupted at step 2"],
        [runs[1], "goes on from step 2"],
    ]
    assert dry_run(ganlab, exp, "-s", "train.steps=2")[1] == [runs[1], "finished"]


def test_a_longer_budget_goes_on_with_finished_runs(
    write_sweep: Write, ganlab: Ganlab, workplace: Path
) -> None:
    exp = write_sweep({"train.seed": [0]})
    ganlab("sweep", exp, "--no-board")
    result = ganlab("sweep", exp, "--no-board", "-s", "train.steps=6")
    assert "going on       from step 4, epoch 0.80" in result.stderr.splitlines()
    (run,) = folders(workplace)
    assert json.loads(Path(run, "run.json").read_text())["progress"]["steps"] == 6


def test_no_board_scores_nothing(write_sweep: Write, ganlab: Ganlab, workplace: Path) -> None:
    exp = write_sweep({"train.seed": [0]})
    result = ganlab("sweep", exp, "--no-board")
    assert (result.exit_code, result.stdout) == (0, "")
    assert not list(workplace.glob("runs/*/*/scores.jsonl"))
    refused = ganlab("sweep", exp, "--no-board", "--html", "board.html")
    assert refused.exit_code == 2
    assert "--html is the board as a page: leave out --no-board" in refused.stderr


def test_scores_during_training_are_shown_and_the_board_has_the_sections_metrics(
    write_sweep: Write, ganlab: Ganlab, workplace: Path
) -> None:
    section = EVAL | {"every": "3 steps", "metrics": ["tiny-acc", "tiny"]}
    result = ganlab("sweep", write_sweep({"train.seed": [0]}, sections={"eval": section}))
    assert result.exit_code == 0, result.output
    scored = [line for line in result.stderr.splitlines() if line.startswith("scored")]
    assert len(scored) == 2
    assert scored[0].startswith("scored tiny-acc: ")
    head = result.stdout.splitlines()[1].split()
    assert head[:5] == ["experiment", "tiny-acc", "↑", "tiny", "↓"]


# ------------------------------------------------------------------------------ stopping


def test_sigterm_saves_and_the_same_call_goes_on(
    write_sweep: Write, ganlab: Ganlab, workplace: Path
) -> None:
    exp = write_sweep({"train.seed": [0, 1]}, steps=100_000, checkpoint_every="2 steps")
    process = start("sweep", exp, "-s", "sweep.train.seed=[0, 1]", cwd=workplace)
    while not list(workplace.glob("runs/*/*/checkpoints/step-*")) and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    output, errors = process.communicate(timeout=300)
    assert (process.returncode, output) == (143, "")
    assert errors.splitlines()[-1] == (
        "SIGTERM: saved; 2 of 2 are left; repeat the command to go on."
    )
    (run,) = folders(workplace)
    step = json.loads(Path(run, "run.json").read_text())["progress"]["steps"]
    first, second = dry_run(ganlab, exp)
    assert first == [run, f"interrupted at step {step:,}"]
    assert second[1] == "new"
    shorter = ("-s", f"train.steps={step + 1}", "-s", "sweep.train.seed=[0]")
    result = ganlab("sweep", exp, *shorter)
    assert result.exit_code == 0, result.output
    assert f"going on       from step {step:,}" in result.stderr


@pytest.mark.slow
def test_ctrl_c_ends_the_sweep_and_not_only_one_run_of_it(
    write_sweep: Write, workplace: Path
) -> None:
    exp = write_sweep({"train.seed": [0, 1, 2]}, steps=100_000, checkpoint_every="2 steps")
    process = start("sweep", exp, cwd=workplace)
    while not list(workplace.glob("runs/*/*/checkpoints/step-*")) and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 130
    assert errors.splitlines()[-1] == (
        "SIGINT: saved; 3 of 3 are left; repeat the command to go on."
    )
    assert len(folders(workplace)) == 1


# ------------------------------------------------------------------------------- failing

BOMB = """
from ganlab import Callback, hookimpl

class Bomb(Callback):
    name = "bomb"
    at: int = 2

    def on_step_end(self, run, step, losses):
        if step == self.at and run.info["seed"] != 1:
            raise KeyError("boom")

@hookimpl
def register_callbacks():
    return [Bomb]
"""


def test_one_that_diverges_is_reported_and_the_others_are_trained_and_ranked(
    write_sweep: Write, ganlab: Ganlab, workplace: Path
) -> None:
    exp = write_sweep({"optimizer": [{"type": "sgd", "lr": 1e30}, "adam"], "train.seed": [0]})
    result = ganlab("sweep", exp)
    assert result.exit_code == 1
    bad, good = folders(workplace)
    reason = json.loads(Path(bad, "run.json").read_text())["error"]
    assert " became " in reason
    name = "optimizer=sgd(lr 1e+30)  train.seed=0"
    lines = without_features(result.stderr)
    assert lines[:3] == [f"[1/2] {name}", f"run            {bad}", lines[2]]
    assert f"warning: failed: {reason}" in lines
    assert "Traceback" not in result.stderr
    assert f"warning: 1 of 2 failed\n  {name}: {reason}\n" in result.stderr
    assert json.loads(Path(good, "run.json").read_text())["status"] == "finished"
    ranks = [line.split()[0] for line in result.stdout.splitlines()[2:]]
    assert "1" in ranks
    assert "2" not in ranks
    again = ganlab("sweep", exp)
    assert (again.exit_code, again.stdout) == (1, result.stdout)


def test_a_bug_in_a_plugin_is_told_and_the_others_are_trained(
    write_sweep: Write, ganlab: Ganlab, workplace: Path
) -> None:
    add_plugin(workplace, BOMB)
    exp = write_sweep({"train.seed": [0, 1, 2]}, sections={"callbacks": ["bomb"]})
    result = ganlab("sweep", exp, "--no-board")
    assert (result.exit_code, result.stdout) == (1, "")
    lines = result.stderr.splitlines()
    what = "callback 'bomb': on_step_end() raised KeyError at "
    assert len([line for line in lines if line.startswith(f"warning: failed: {what}")]) == 2
    kept = sorted(Path("runs").glob("*/*/traceback.txt"))
    assert [f"  traceback: {file}" for file in kept] == sorted(
        line for line in lines if line.startswith("  traceback: ")
    )
    assert lines[-3] == "warning: 2 of 3 failed"
    assert lines[-2].startswith(f"  train.seed=0: {what}")
    assert lines[-1].startswith(f"  train.seed=2: {what}")
    statuses = [json.loads(Path(r, "run.json").read_text())["status"] for r in folders(workplace)]
    assert statuses == ["failed", "finished", "failed"]


def test_one_that_another_process_trains_is_reported(
    write_sweep: Write, ganlab: Ganlab, workplace: Path
) -> None:
    exp = write_sweep({"train.seed": [0, 1]})
    (run, _), _ = dry_run(ganlab, exp)
    other = RunDirectory(Path(run))
    other.lock()
    try:
        result = ganlab("sweep", exp, "--no-board")
    finally:
        other.unlock()
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-2:] == [
        "warning: 1 of 2 failed",
        f"  train.seed=0: {run} is in use: another process trains this run",
    ]
    assert len(folders(workplace)) == 1


# ------------------------------------------------------------------- refused beforehand

ABSENT = """
from ganlab import Dataset, hookimpl
from ganlab.errors import DataUnavailable

class Absent(Dataset):
    name = "absent"
    image_size: int = 16

    def read(self, root, split):
        raise DataUnavailable("absent cannot be had")

@hookimpl
def register_datasets():
    return [Absent]
"""


def refusal(ganlab: Ganlab, workplace: Path, exp: Path, *options: str) -> list[str]:
    """Return what is said of a sweep that is refused, dry or not, before anything is written."""
    dry = ganlab("sweep", exp, "--dry-run", *options)
    result = ganlab("sweep", exp, *options)
    assert (dry.exit_code, dry.stdout, result.exit_code, result.stdout) == (2, "", 2, "")
    assert not (workplace / "runs").exists()
    said = result.stderr[result.stderr.index("Error: ") :]
    assert dry.stderr.endswith(said)
    return said.splitlines()


def test_problems_of_all_experiments_are_said_together_before_one_is_trained(
    write_sweep: Write, ganlab: Ganlab, workplace: Path
) -> None:
    exp = write_sweep(
        {"dataset.classes": [None, [0, 1]], "train.batch_size": [8, 64], "train.seed": [0, 1]},
    )
    assert refusal(ganlab, workplace, exp) == [
        "Error: 2 problems in " + str(exp),
        "  dataset.classes=null  train.batch_size=64  train.seed=0 (and 1 more): tiny has 40 "
        "images, fewer than a batch of 64: set train.batch_size to 40 or less",
        "  dataset.classes=0+1  train.batch_size=64  train.seed=0 (and 1 more): tiny has 20 "
        "images, fewer than a batch of 64: set train.batch_size to 20 or less",
    ]


def test_data_that_all_need_and_nobody_has_is_said_once(
    write_sweep: Write, ganlab: Ganlab, workplace: Path
) -> None:
    add_plugin(workplace, ABSENT)
    assert refusal(ganlab, workplace, write_sweep(sections={"dataset": "absent"})) == [
        f"Error: 1 problem in {workplace / 'grid.yaml'}",
        "  absent cannot be had",
    ]


def test_a_board_that_could_not_be_made_is_refused_before_training(
    write_sweep: Write, ganlab: Ganlab, workplace: Path
) -> None:
    data = {"type": "tiny", "classes": ["bright", "dark"]}
    sections = {"dataset": data, "eval": EVAL | {"metrics": ["tiny-acc"]}}
    exp = write_sweep(sections=sections)
    assert refusal(ganlab, workplace, exp) == [
        f"Error: 1 problem in {exp}",
        "  tiny-acc needs a network that tells the classes of 'tiny', and there is none: make one "
        "with ganlab extractor train tiny",
    ]
    assert ganlab("sweep", exp, "--no-board", "--dry-run").exit_code == 0


def test_settings_that_do_not_tell_runs_apart_are_refused(
    write_sweep: Write, ganlab: Ganlab, workplace: Path
) -> None:
    exp = write_sweep({"train.steps": [2, 4]})
    assert refusal(ganlab, workplace, exp) == [
        f"Error: 1 problem in {exp}",
        "  train.steps=4: is the same run as train.steps=2: budgets, intervals, device and "
        "callbacks do not tell runs apart",
    ]


def test_different_experiments_in_one_folder_are_refused(
    write_sweep: Write, ganlab: Ganlab, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = Experiment.identity
    monkeypatch.setattr(Experiment, "identity", lambda self: f"aaaaaa{identity(self)[:6]}")
    exp = write_sweep({"conditioning": ["tiny", "blank"]})
    (_, line) = refusal(ganlab, workplace, exp)
    assert line.startswith("  conditioning=blank: is the same run as conditioning=tiny: ")


def test_run_and_sweep_send_each_others_files_to_the_right_command(
    write_sweep: Write, write_experiment: Write, ganlab: Ganlab
) -> None:
    exp = write_sweep()
    line = exp.read_text().splitlines().index("sweep:") + 1
    for command in ("run", "check"):
        result = ganlab(command, exp)
        assert (result.exit_code, result.stderr) == (
            2,
            f"Error: 1 problem in {exp}\n"
            f"  {exp}:{line}: sweep: this file is a sweep; run it with: ganlab sweep {exp}\n",
        )
    plain = write_experiment("plain.yaml")
    result = ganlab("sweep", plain)
    assert (result.exit_code, result.stderr) == (
        2,
        f"Error: 1 problem in {plain}\n"
        f"  {plain}: sweep: is missing: sweep: {{conditioning: [concat, cbn], "
        "train.seed: [0, 1, 2]}\n",
    )


def test_the_fallback_is_announced_once_and_all_train_on_it(
    write_sweep: Write, ganlab: Ganlab, workplace: Path
) -> None:
    add_plugin(workplace, ABSENT)
    data = {"type": "absent", "image_size": 16, "fallback": "tiny", "fallback_images": 24}
    result = ganlab("sweep", write_sweep({"train.seed": [0, 1]}, sections={"dataset": data}))
    assert result.exit_code == 0, result.output
    assert [line for line in result.stderr.splitlines() if line.startswith("warning")] == [
        "warning: absent cannot be had",
        "warning: falling back: this run trains on 'tiny', not on 'absent'",
    ]
    for run in folders(workplace):
        info = json.loads(Path(run, "run.json").read_text())
        assert (info["dataset"]["name"], info["dataset"]["fallback_for"]) == ("tiny", "absent")
        assert info["progress"]["images"] == 24
