"""A run that reads its images ahead learns the same, and leaves no process behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from tests.training.helpers import alive, assert_same_state, command, newest_state, only_run

Write = Callable[..., Path]
Ganlab = Callable[..., Result]

FLIPPED = {"dataset": {"type": "tiny", "flip": True}}
# Batches of 12 from 40 images: every fourth straddles two passes.
OPTIONS = {"batch_size": 12, "d_steps": 2, "fake_labels": "empirical", "data": "stream"}


def record(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((only_run(folder) / "run.json").read_text())
    return found


@pytest.mark.parametrize(
    "options", [{}, {"d_steps": 1}, {"accumulate": 2}, {"precision": "bf16", "ema": None}]
)
def test_weights_are_those_of_a_dataset_in_memory(
    write_experiment: Write, ganlab: Ganlab, workplace: Path, options: dict[str, Any]
) -> None:
    exp = write_experiment(sections=FLIPPED, steps=9, **{**OPTIONS, **options})
    assert ganlab("run", exp, "--runs-dir", "a/runs").exit_code == 0
    resident = ganlab("run", exp, "--runs-dir", "b/runs", "-s", "train.data=resident")
    assert resident.exit_code == 0
    a, b = (record(workplace / place) for place in "ab")
    assert only_run(workplace / "a").name == only_run(workplace / "b").name
    assert (a["sessions"][0]["data"], b["sessions"][0]["data"]) == ("stream", "resident")
    assert_same_state(*(newest_state(only_run(workplace / place)) for place in "ab"))


def test_a_run_that_goes_on_may_change_where_its_images_are(
    write_experiment: Write, ganlab: Ganlab, workplace: Path
) -> None:
    exp = write_experiment(sections=FLIPPED, steps=9, **OPTIONS)
    assert ganlab("run", exp, "--runs-dir", "a/runs").exit_code == 0
    for steps, place in ((2, "stream"), (5, "resident"), (7, "stream"), (9, "stream")):
        changes = ("-s", f"train.steps={steps}", "-s", f"train.data={place}")
        assert ganlab("run", exp, "--runs-dir", "b/runs", *changes).exit_code == 0
    places = [session["data"] for session in record(workplace / "b")["sessions"]]
    assert places == ["stream", "resident", "stream", "stream"]
    assert_same_state(*(newest_state(only_run(workplace / place)) for place in "ab"))


def test_what_was_chosen_is_said(write_experiment: Write, ganlab: Ganlab) -> None:
    for place in ("stream", "resident"):
        result = ganlab("run", write_experiment(steps=1, data=place), "--runs-dir", place)
        assert f"40 images, 1 x 16 x 16, 4 classes, {place}\n" in result.stderr


@pytest.mark.parametrize(
    ("free", "place"), [(2 * 40 * 256, "resident"), (2 * 40 * 256 - 1, "stream")]
)
def test_images_that_take_more_than_half_of_the_free_memory_are_streamed(
    write_experiment: Write,
    ganlab: Ganlab,
    workplace: Path,
    monkeypatch: pytest.MonkeyPatch,
    free: int,
    place: str,
) -> None:
    monkeypatch.setattr("ganlab.data.placement.free_bytes", lambda device: free)
    assert ganlab("run", write_experiment(steps=2)).exit_code == 0
    assert record(workplace)["sessions"][0]["data"] == place


def children(parent: int) -> list[int]:
    rows = subprocess.run(
        ["ps", "--no-headers", "-o", "pid", "--ppid", str(parent)], capture_output=True, text=True
    )
    return [int(row) for row in rows.stdout.split()]


def started(exp: Path, workplace: Path) -> tuple[subprocess.Popen[str], list[int]]:
    """Return a process of its own group that trains, and those that read ahead for it."""
    process = subprocess.Popen(
        command("run", exp),
        cwd=workplace,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    while not list(workplace.glob("runs/*/*/checkpoints/step-*")) and process.poll() is None:
        time.sleep(0.02)
    found = children(process.pid)
    assert found, process.communicate()
    return process, found


def wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


@pytest.mark.parametrize(
    ("number", "code"),
    [pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow), (signal.SIGINT, 130)],
)
def test_a_signal_to_the_whole_group_saves_without_noise(
    write_experiment: Write, workplace: Path, number: signal.Signals, code: int
) -> None:
    exp = write_experiment(**OPTIONS | {"steps": 100_000, "checkpoint_every": "2 steps"})
    process, readers = started(exp, workplace)
    os.killpg(process.pid, number)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == code, errors
    assert "Traceback" not in errors
    assert "DataLoader" not in errors
    assert errors.splitlines()[-1].startswith(f"{number.name}: saved at step ")
    assert not any(alive(reader) for reader in readers)


def test_a_killed_run_takes_its_readers_along_and_can_go_on_at_once(
    write_experiment: Write, ganlab: Ganlab, workplace: Path
) -> None:
    exp = write_experiment(**OPTIONS | {"steps": 100_000, "checkpoint_every": "2 steps"})
    process, readers = started(exp, workplace)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert wait_for(lambda: not any(alive(reader) for reader in readers), seconds=1)
    again = ganlab("run", exp, "-s", "train.steps=1")
    assert again.exit_code == 0, again.output


def test_a_killed_reader_ends_the_run_with_one_line_and_it_goes_on_later(
    write_experiment: Write, ganlab: Ganlab, workplace: Path
) -> None:
    exp = write_experiment(**OPTIONS | {"steps": 100_000, "checkpoint_every": "2 steps"})
    process, readers = started(exp, workplace)
    os.kill(readers[0], signal.SIGKILL)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 1
    assert "Traceback" not in errors
    last = errors.splitlines()[-1]
    assert last.startswith("Error: a process that reads images ahead has ended ("), errors
    assert last.endswith("run the same command again to resume")
    assert not any(alive(reader) for reader in readers)
    assert record(workplace)["status"] == "failed"
    steps = record(workplace)["sessions"][0]["to_step"] + 5
    again = ganlab("run", exp, "-s", f"train.steps={steps}")
    assert again.exit_code == 0, again.output


def test_a_plugin_that_fails_leaves_no_reader(
    write_experiment: Write, ganlab: Ganlab, workplace: Path
) -> None:
    (workplace / "plugins").mkdir()
    (workplace / "plugins" / "failing.py").write_text(
        "from ganlab import Callback, hookimpl\n"
        "class Failing(Callback):\n"
        '    """Fails."""\n'
        '    name = "failing"\n'
        "    def on_step_end(self, run, step, losses):\n"
        '        raise ValueError("no")\n'
        "@hookimpl\n"
        "def register_callbacks():\n"
        "    return [Failing]\n"
    )
    exp = write_experiment(sections={"callbacks": ["failing"]}, **OPTIONS)
    result = ganlab("run", exp)
    assert result.exit_code == 3, result.output
    assert [child for child in children(os.getpid()) if alive(child)] == []
