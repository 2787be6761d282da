"""Reading what the runs of a sweep left, and watching them from outside."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.training.helpers import command

PATIENCE_SECONDS = 300


@dataclass(frozen=True)
class Swept:
    """A run of a sweep."""

    path: Path

    @property
    def info(self) -> dict[str, Any]:
        info: dict[str, Any] = json.loads((self.path / "run.json").read_text())
        return info

    @property
    def sessions(self) -> list[tuple[int, int | None]]:
        return [(one["from_step"], one.get("to_step")) for one in self.info["sessions"]]

    @property
    def steps(self) -> dict[int, list[int]]:
        """The steps that each process trained."""
        trained: dict[int, list[int]] = {}
        file = self.path / "trace.txt"
        for line in file.read_text().splitlines() if file.exists() else []:
            process, step, _ = line.split()
            trained.setdefault(int(process), []).append(int(step))
        return trained

    @property
    def words(self) -> set[str]:
        """What GANLAB_TEST_WORD said to the processes that trained it."""
        return {line.split()[2] for line in (self.path / "trace.txt").read_text().splitlines()}

    @property
    def checkpoints(self) -> list[Path]:
        return list((self.path / "checkpoints").glob("step-*.safetensors"))


def swept(folder: Path) -> list[Swept]:
    """Return the runs below ``runs``, by seed."""
    runs = [Swept(file.parent) for file in (folder / "runs").glob("*/*/run.json")]
    return sorted(runs, key=lambda run: int(run.info["seed"]))


def start_sweep(
    *arguments: str | Path, cwd: Path, variables: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    """Start ``ganlab sweep grid.yaml`` as the leader of its process group, as a shell does."""
    return subprocess.Popen(
        command("sweep", "grid.yaml", *arguments),
        cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": "1", **(variables or {})},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[str] | None = None) -> None:
    """Wait for a condition, at most two minutes and while the process runs."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        if process is not None and process.poll() is not None:
            raise AssertionError(process.communicate())
        time.sleep(0.02)


def finish(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Return what a process prints until it ends; one that does not end is killed."""
    try:
        return process.communicate(timeout=PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        raise


def lines_of(number: int, errors: str) -> list[str]:
    """Return the lines that begin with a run's number, without it."""
    found = [line for line in errors.splitlines() if line.startswith(f"[{number}/")]
    return [line.partition("] ")[2] for line in found]


def most_at_once(lines: Sequence[str]) -> int:
    """Return how many runs were trained at the same time, by the lines that were printed."""
    running: set[str] = set()
    most = 0
    for line in lines:
        number, _, text = line.partition("] ")
        if ": runs/" in text:
            running.add(number)
        elif text == "finished":
            running.remove(number)
        most = max(most, len(running))
    return most
