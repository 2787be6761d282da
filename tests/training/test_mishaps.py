"""What goes wrong ends in one clear line, and nothing that was saved is lost."""

from __future__ import annotations

import json
import pickle
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from tests.training.helpers import assert_same_state, newest_state, only_run, start

Write = Callable[..., Path]
Ganlab = Callable[..., Result]


def last_line(result: Result) -> str:
    return result.stderr.splitlines()[-1]


@pytest.fixture
def half(write_experiment: Write, ganlab: Ganlab, workplace: Path) -> tuple[Path, Path]:
    """An experiment of 8 steps and its run, which has done 6 of them."""
    exp = write_experiment(steps=8)
    assert ganlab("run", exp, "-s", "train.steps=6").exit_code == 0
    return exp, only_run(workplace).relative_to(workplace)


def test_a_truncated_checkpoint_falls_back_loudly_to_the_one_before_it(
    half: tuple[Path, Path], ganlab: Ganlab
) -> None:
    exp, run = half
    newest = run / "checkpoints" / "step-000000006.safetensors"
    newest.write_bytes(newest.read_bytes()[:-100])
    result = ganlab("run", exp)
    assert result.exit_code == 0
    (warning,) = (line for line in result.stderr.splitlines() if line.startswith("warning"))
    assert warning.startswith(f"warning: {newest} is damaged or no checkpoint of ganlab (")
    assert warning.endswith("); going back to the one before it")
    assert newest.with_name(f"{newest.name}.damaged").exists()
    assert ganlab("run", exp, "--runs-dir", "whole/runs").exit_code == 0
    assert_same_state(newest_state(run), newest_state(only_run(Path("whole"))))
    # The damaged file does not stand in the way of anything that comes later.
    assert ganlab("sample", run).exit_code == 0


def test_a_flipped_bit_in_a_checkpoint_is_noticed(half: tuple[Path, Path], ganlab: Ganlab) -> None:
    exp, run = half
    newest = run / "checkpoints" / "step-000000006.safetensors"
    data = bytearray(newest.read_bytes())
    data[-1] ^= 1
    newest.write_bytes(data)
    result = ganlab("run", exp)
    assert result.exit_code == 0
    assert (
        f"warning: {newest} is damaged: its content does not have the hash that it was given; "
        "going back to the one before it\n"
    ) in result.stderr


class Payload:
    """Unpickling it would write a file."""

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, ("executed.txt", "w")


def test_no_code_in_a_checkpoint_runs(half: tuple[Path, Path], ganlab: Ganlab) -> None:
    exp, run = half
    for file in (run / "checkpoints").glob("step-*"):
        file.write_bytes(pickle.dumps(Payload()))
    result = ganlab("run", exp)
    assert result.exit_code == 1
    assert last_line(result) == (
        f"Error: no checkpoint in {run / 'checkpoints'} is whole (step-000000006.safetensors, "
        "step-000000003.safetensors): start over with --fresh"
    )
    assert not Path("executed.txt").exists()
    sampled = ganlab("sample", run)
    assert sampled.exit_code == 1
    assert not Path("executed.txt").exists()


def test_a_checkpoint_of_another_experiment_is_refused(
    half: tuple[Path, Path], ganlab: Ganlab, write_experiment: Write
) -> None:
    exp, run = half
    other = write_experiment("other.yaml", steps=6, batch_size=4)
    ganlab("run", other, "--runs-dir", "others")
    (foreign,) = Path("others").glob("*/*/checkpoints/step-000000006.safetensors")
    shutil.copy(foreign, run / "checkpoints")
    before = newest_state(run)
    result = ganlab("run", exp)
    ours = json.loads((run / "run.json").read_text())["identity"]
    theirs = json.loads((foreign.parents[1] / "run.json").read_text())["identity"]
    assert result.exit_code == 1
    assert last_line(result) == (
        f"Error: {run}/checkpoints/step-000000006.safetensors belongs to another run: its identity "
        f"is {theirs}, that of exp/{run.name} is {ours}; move it away, or start over with --fresh"
    )
    assert_same_state(before, newest_state(run))


def test_a_changed_plugin_file_is_refused_unless_it_is_accepted(
    ganlab: Ganlab, write_experiment: Write, workplace: Path
) -> None:
    folder = workplace / "plugins"
    folder.mkdir()
    source = Path(__file__).parents[1] / "tiny_plugins" / "tiny.py"
    file = folder / "changing.py"
    file.write_text(source.read_text().replace('name = "tiny"', 'name = "changing"'))
    names = ("dataset", "generator", "discriminator", "conditioning", "loss")
    extras = ("regularizers", "augmentations", "callbacks")
    sections = dict.fromkeys(names, "changing") | {n: ["changing"] for n in extras}
    exp = write_experiment(steps=4, sections=sections)
    assert ganlab("run", exp, "-s", "train.steps=2", tiny=False).exit_code == 0
    file.write_text(file.read_text() + "\n# another line\n")
    run = only_run(workplace)
    result = ganlab("run", exp, tiny=False)
    assert result.exit_code == 1
    lines = result.stderr[result.stderr.index("Error") :].splitlines()
    assert lines[:2] == [
        f"Error: {run.parent.name}/{run.name} cannot go on: what it learned from has changed",
        f"  dataset/changing: {file} has changed since the run started",
    ]
    assert lines[-1] == "  start over with --fresh, or accept it with --allow-changes"
    accepted = ganlab("run", exp, "--allow-changes", tiny=False)
    assert accepted.exit_code == 0, accepted.output


FULL_DISK = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (BYTES, BYTES))
sys.argv[0] = "ganlab"
from ganlab.cli import main
main()
"""


def test_a_full_disk_ends_the_run_in_one_line_and_keeps_what_was_saved(
    half: tuple[Path, Path], ganlab: Ganlab, workplace: Path
) -> None:
    exp, run = half
    before = newest_state(run)
    # Small files can be written; a checkpoint, which is larger, cannot.
    size = (run / "checkpoints" / "step-000000006.safetensors").stat().st_size
    process = start("run", exp, cwd=workplace, script=FULL_DISK.replace("BYTES", str(size - 1000)))
    _, errors = process.communicate()
    assert process.returncode == 1
    assert errors.splitlines()[-1].startswith("Error: cannot write runs/exp/")
    assert errors.splitlines()[-1].endswith(
        "File too large; what was saved before is intact: make room or choose another place with "
        "--runs-dir, and repeat the command"
    )
    assert "Traceback" not in errors
    assert_same_state(before, newest_state(run))
    assert json.loads((run / "run.json").read_text())["status"] == "failed"
    assert not list((run / "checkpoints").glob(".*.tmp"))
    assert ganlab("run", exp).exit_code == 0


def test_a_runs_folder_that_cannot_be_written_is_one_clear_line(
    write_experiment: Write, ganlab: Ganlab, workplace: Path
) -> None:
    (workplace / "runs").write_text("a file is in the way")
    result = ganlab("run", write_experiment(steps=2))
    assert result.exit_code == 1
    assert last_line(result).startswith("Error: cannot write runs/exp/")
    assert ": Not a directory; " in last_line(result)


def test_a_read_only_disk_is_one_clear_line(write_experiment: Write, ganlab: Ganlab) -> None:
    """The kernel's own read-only file system: root may write anywhere else."""
    exp = write_experiment(steps=2)
    result = ganlab("run", exp, "--runs-dir", "/proc/runs")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].startswith("Error: cannot write /proc/runs/exp/")
    assert "Traceback" not in result.stderr


def test_nan_ends_the_run_as_diverged_naming_step_and_number(
    write_experiment: Write, ganlab: Ganlab, workplace: Path
) -> None:
    optimizer = {"type": "sgd", "lr": 1e30}
    exp = write_experiment(steps=50, sections={"optimizer": optimizer}, log_every="4 steps")
    result = ganlab("run", exp)
    assert result.exit_code == 1
    info = json.loads((only_run(workplace) / "run.json").read_text())
    assert info["status"] == "diverged"
    assert last_line(result) == f"Error: {info['error']}"
    name, became, step = info["error"].partition(" became ")
    assert became
    assert name in ("loss_d", "loss_g", "d/penalty", "d/adversarial", "d_fake_before", "d_real")
    assert int(step.split()[-1]) <= 4
    again = ganlab("run", exp)
    assert again.exit_code == 1
    assert last_line(again) == last_line(result)


def test_a_dataset_smaller_than_a_batch_is_refused_before_anything_is_written(
    write_experiment: Write, ganlab: Ganlab, workplace: Path
) -> None:
    result = ganlab("run", write_experiment(batch_size=64))
    assert result.exit_code == 2
    assert last_line(result) == (
        "Error: tiny has 40 images, fewer than a batch of 64: set train.batch_size to 40 or less"
    )
    assert not (workplace / "runs").exists()


def test_a_run_that_never_saved_anything_starts_over_with_mended_code(
    write_experiment: Write, ganlab: Ganlab, workplace: Path
) -> None:
    (workplace / "plugins").mkdir()
    file = workplace / "plugins" / "mended.py"
    text = (
        "from ganlab import Callback, hookimpl\n"
        "class Mended(Callback):\n"
        "    name = 'mended'\n"
        "    def on_step_end(self, run, step, losses):\n"
        "        BODY\n"
        "@hookimpl\n"
        "def register_callbacks(): return [Mended]\n"
    )
    exp = write_experiment(steps=4, sections={"callbacks": ["mended"]})
    file.write_text(text.replace("BODY", "raise ValueError('not yet')"))
    first = start("run", exp, cwd=workplace)
    _, errors = first.communicate()
    assert first.returncode == 3
    assert "raised ValueError at mended.py:5: not yet" in errors
    file.write_text(text.replace("BODY", "pass"))
    again = ganlab("run", exp)  # the module is new to this process
    assert again.exit_code == 0, again.output


def test_one_damaged_run_does_not_hide_the_others(half: tuple[Path, Path], ganlab: Ganlab) -> None:
    _, run = half
    broken = run.with_name("abcdef-s0")
    broken.mkdir()
    (broken / "run.json").write_text("{")
    result = ganlab("sample", "exp")
    assert result.exit_code == 0
    assert result.stderr.startswith(f"warning: {broken}/run.json cannot be read: ")


def test_an_exception_in_a_plugin_marks_the_run_failed_and_is_shown(
    write_experiment: Write, ganlab: Ganlab, workplace: Path
) -> None:
    (workplace / "plugins").mkdir()
    (workplace / "plugins" / "raising.py").write_text(
        "from ganlab import Callback, hookimpl\n"
        "class Raising(Callback):\n"
        "    name = 'raising'\n"
        "    def on_step_end(self, run, step, losses):\n"
        "        if step == 3: raise ValueError('three')\n"
        "@hookimpl\n"
        "def register_callbacks(): return [Raising]\n"
    )
    result = ganlab("run", write_experiment(steps=6, sections={"callbacks": ["raising"]}))
    run = only_run(workplace).relative_to(workplace)
    what = (
        "callback 'raising': on_step_end() raised ValueError at raising.py:5: three\n"
        f"  traceback: {run}/traceback.txt"
    )
    assert (result.exit_code, result.stderr.partition("Error: ")[2]) == (3, f"{what}\n")
    info = json.loads((run / "run.json").read_text())
    assert (info["status"], info["error"]) == ("failed", what)
    kept = (run / "traceback.txt").read_text()
    assert "if step == 3: raise ValueError('three')" in kept


@pytest.mark.parametrize(
    ("device", "message"),
    [
        ("gpu", "train.device: 'gpu' is no device; allowed: auto, cpu, cuda, cuda:<number>"),
        ("cuda:7", "train.device: 'cuda:7' is not on this machine, which has 0 CUDA devices"),
    ],
)
def test_a_device_that_is_not_there_is_refused(
    write_experiment: Write, ganlab: Ganlab, device: str, message: str
) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    result = ganlab("run", write_experiment(), "--device", device)
    assert result.exit_code == 2
    assert last_line(result) == f"  {message}"


def test_a_killed_run_shows_as_killed(write_experiment: Write, workplace: Path) -> None:
    from ganlab.run_directory import read_run

    process = start("run", write_experiment(steps=100_000), cwd=workplace)
    while not list(workplace.glob("runs/*/*/checkpoints/step-*")) and process.poll() is None:
        pass
    assert read_run(only_run(workplace)).status == "running"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert read_run(only_run(workplace)).status == "killed"


def test_a_run_that_another_process_made_in_the_meantime_is_not_set_aside(
    write_experiment: Write, ganlab: Ganlab, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ganlab.run_directory import RunDirectory

    exp = write_experiment(steps=2)
    lock = RunDirectory.lock

    def lock_late(run: RunDirectory) -> None:
        """The other process is quicker: it trains the run to its end before we have the lock."""
        monkeypatch.setattr(RunDirectory, "lock", lock)
        assert ganlab("run", exp).exit_code == 0
        run.lock()

    monkeypatch.setattr(RunDirectory, "lock", lock_late)
    result = ganlab("run", exp)
    run = only_run(workplace)
    assert result.exit_code == 1
    assert last_line(result) == (
        f"Error: another process has started {run.relative_to(workplace)} just now: "
        "repeat the command"
    )
    assert json.loads((run / "run.json").read_text())["status"] == "finished"
