"""The run directory: where a run keeps everything, and how it is found again.

::

    runs/cgan_mnist/3f9a2c-s0/     <experiment>/<hash of the experiment>-s<seed>
      experiment.yaml config.yaml  as written; resolved, with every default
      run.json                     status, versions, device, dataset, plugin hashes, sessions
      plugins/                     copies of the local plugin files that it uses
      log.jsonl                    a line each log interval, append-only
      samples/ samples.gif curves.png
      checkpoints/
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import filelock

from ganlab.config.reader import read
from ganlab.errors import RunError
from ganlab.files import append_line, read_lines, write_atomically, write_json

STATUSES = ("running", "finished", "interrupted", "failed", "diverged")


@dataclass(frozen=True)
class Progress:
    """How far a run is. The images count; the rest follows from them or is measured."""

    steps: int = 0
    """Updates of G."""

    batches: int = 0
    """Updates of D: batches of real images shown to it."""

    images: int = 0
    """Real images shown to D."""

    epochs: float = 0.0
    """Passes over the dataset."""

    seconds: float = 0.0
    """Time in the training loop, over all sessions."""


@dataclass
class Run:
    """One run directory. Create or find it with `open_run`, or read it with `read_run`."""

    path: Path
    info: dict[str, Any] = field(default_factory=dict)
    """What run.json holds."""

    progress: Progress = field(default_factory=Progress)
    _lock: filelock.BaseFileLock | None = None

    @property
    def name(self) -> str:
        """``cgan_mnist/3f9a2c-s0``."""
        return f"{self.path.parent.name}/{self.path.name}"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def samples(self) -> Path:
        return self.path / "samples"

    @property
    def log(self) -> Path:
        return self.path / "log.jsonl"

    @property
    def status(self) -> str:
        """One of STATUSES, or ``killed``: it says running, but nobody holds its lock."""
        status: str = self.info.get("status", "running")
        return "killed" if status == "running" and not self.locked() else status

    def config(self) -> dict[str, Any]:
        """Return the resolved experiment as plain data."""
        file = self.path / "config.yaml"
        try:
            document = read(file.read_text(), str(file))
        except OSError as error:
            raise RunError(f"{file} cannot be read: {error.strerror}") from error
        if document.problems or not isinstance(document.data, dict):
            raise RunError(f"{file} is damaged: it holds no experiment")
        return document.data

    def records(self) -> list[dict[str, Any]]:
        """Return the log's lines in order of steps; of a step logged twice, the later line."""
        by_step = {record["step"]: record for record in read_lines(self.log) if "step" in record}
        return [by_step[step] for step in sorted(by_step)]

    def append_log(self, record: dict[str, Any]) -> None:
        append_line(self.log, record)

    def update(self, **changes: Any) -> None:
        """Change run.json."""
        self.info |= changes
        self.info["progress"] = asdict(self.progress)
        write_json(self.path / "run.json", self.info)

    # ----------------------------------------------------------------------------- lock

    def lock(self) -> None:
        """Make this process the only one that writes here, until it ends, however it ends."""
        lock = filelock.FileLock(self.path / ".lock")
        try:
            lock.acquire(blocking=False)
        except filelock.Timeout:
            raise RunError(f"{self.path} is in use: another process trains this run") from None
        self._lock = lock

    def unlock(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def locked(self) -> bool:
        """True while some process, this one included, trains the run."""
        if self._lock is not None:
            return True
        probe = filelock.FileLock(self.path / ".lock")
        try:
            with probe.acquire(blocking=False):
                return False
        except (filelock.Timeout, OSError):
            return True


def now() -> str:
    """The time as it stands in run.json: UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def run_folder(runs: Path, *, experiment: str, identity: str, seed: int) -> Path:
    """Return where the run of this experiment and seed lies, whether or not it exists."""
    return runs / experiment / f"{identity[:6]}-s{seed}"


def create_run(path: Path, *, experiment_text: str, config: str) -> Run:
    """Make a new run directory."""
    run = Run(path)
    try:
        for folder in (path, run.checkpoints, run.samples, path / "plugins"):
            folder.mkdir(parents=True, exist_ok=True)
        write_atomically(path / "experiment.yaml", experiment_text.encode())
        write_atomically(path / "config.yaml", config.encode())
    except OSError as error:
        raise RunError(cannot_write(path, error)) from error
    return run


def read_run(path: Path) -> Run:
    """Read a run directory, or raise `RunError`."""
    file = path / "run.json"
    try:
        info = json.loads(file.read_text())
        progress = Progress(**info.get("progress", {}))
    except FileNotFoundError:
        raise RunError(f"{path} is no run: it has no run.json") from None
    except (OSError, ValueError, TypeError) as error:
        raise RunError(f"{file} cannot be read: {error}") from error
    return Run(path, info=info, progress=progress)


def find_run(name: str, runs: Path) -> Run:
    """Return the run that a user means: a folder, ``<experiment>/<id>``, or an experiment's name.

    An experiment's name, or its YAML file, means the newest of its runs.
    """
    path = Path(name)
    for folder in (path, runs / name):
        if (folder / "run.json").is_file():
            return read_run(folder)
    stem = path.stem if path.suffix in (".yaml", ".yml") else name
    found = list_runs(runs / stem) if stem else []
    if not found and path.is_dir():
        found = list_runs(path)
    if found:
        return max(found, key=lambda run: str(run.info.get("created", "")))
    known = ", ".join(run.name for run in list_runs(runs)[:10]) or "none yet"
    raise RunError(f"there is no run '{name}'; runs below {runs}: {known}")


def list_runs(folder: Path) -> list[Run]:
    """Return every readable run below a folder, sorted by path; set-aside ones are left out."""
    return [
        read_run(file.parent)
        for file in sorted(folder.glob("**/run.json"))
        if "~" not in file.parent.name
    ]


def set_aside(path: Path) -> Path:
    """Rename a run directory out of the way, losing nothing, and return its new place."""
    number = 1
    while (aside := path.with_name(f"{path.name}~{number}")).exists():
        number += 1
    path.rename(aside)
    return aside


def cannot_write(path: Path, error: OSError) -> str:
    """One line for a disk that is full, read-only, or not ours."""
    reason = error.strerror or str(error)
    return (
        f"cannot write {path}: {reason}; what was saved before is intact: make room or choose "
        "another place with --runs-dir, and repeat the command"
    )


class Clock:
    """Seconds of training, over all sessions."""

    def __init__(self, seconds_before: float) -> None:
        self._start = time.monotonic() - seconds_before

    def seconds(self) -> float:
        return time.monotonic() - self._start
