"""The run directory: its files, its lock, and the functions that create and find it.

::

    runs/cgan_mnist/3f9a2c-s0/     <experiment>/<hash of the experiment>-s<seed>
      experiment.yaml config.yaml  as written; resolved, with every default
      run.json                     status, versions, device, dataset, plugin hashes, sessions
      plugins/                     copies of the local plugin files that it uses
      log.jsonl scores.jsonl       a line each log interval, each evaluation; append-only
      samples/ samples.gif curves.png scores.png
      checkpoints/
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import filelock

from ganlab.background import Background
from ganlab.config.reader import read
from ganlab.errors import RunError, RunNotFound
from ganlab.files import append_line, write_atomically, write_json

PATIENCE_SECONDS = 0.5
"""How long to wait for a lock: a process that checks whether a run is locked holds it briefly."""


@dataclass(frozen=True)
class Progress:
    """The progress of a run. Images are counted; batches and epochs follow from them."""

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

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Self:
        """Return the progress in a record, which may have more keys than this version knows."""
        known = {one.name for one in fields(cls)}
        return cls(**{name: value for name, value in record.items() if name in known})


@dataclass
class RunDirectory:
    """A run directory, which training writes to: see `create_run`, `read_run` and `find_run`.

    Scripts and notebooks read results with `ganlab.Run`.
    """

    path: Path
    info: dict[str, Any] = field(default_factory=dict)
    """The content of run.json."""

    progress: Progress = field(default_factory=Progress)
    unlogged: list[dict[str, float]] = field(default_factory=list)
    """The scalars of each step since the last log line."""

    files: Background = field(default_factory=Background, compare=False)
    """The queue that writes files: see `write`."""

    _lock: filelock.BaseFileLock | None = None

    @property
    def name(self) -> str:
        """The name of the run, such as ``cgan_mnist/3f9a2c-s0``."""
        return f"{self.path.parent.name}/{self.path.name}"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def samples(self) -> Path:
        return self.path / "samples"

    def sheets(self) -> list[Path]:
        """Return the sheets of samples, the newest last: epoch-0003.png, epoch-0003.2500.png."""
        return sorted(self.samples.glob("epoch-*.png"), key=lambda path: path.stem)

    @property
    def log_file(self) -> Path:
        return self.path / "log.jsonl"

    @property
    def status(self) -> str:
        """The recorded ``running``, ``finished``, ``interrupted``, ``failed`` or ``diverged``.

        It is ``killed`` if the recorded status is ``running`` but no process holds the lock.
        """
        status: str = self.info.get("status", "running")
        return "killed" if status == "running" and not self.locked() else status

    def weights(self, epoch: int | str | None) -> dict[str, Any] | None:
        """Return the recorded identity of the newest or the ``best`` weights; None if unknown.

        It is unknown if a checkpoint is newer than the record, which happens when a run is killed
        between the two. The record stays valid when the weights themselves are deleted.
        """
        if epoch == "best":
            found: dict[str, Any] | None = self.info.get("best")
            return found
        if "made_elsewhere" in self.info:
            return self.info["checkpoint"] if epoch is None else None
        newest = max(self.checkpoints.glob("step-*.safetensors"), default=None)
        found = self.info.get("checkpoint") if epoch is None else None
        sure = found is not None and (newest is None or newest.name <= found["file"])
        return found if sure else None

    def config(self) -> dict[str, Any]:
        """Return the resolved experiment as plain data, or raise `RunError`."""
        file = self.path / "config.yaml"
        try:
            document = read(file.read_text(), str(file))
        except OSError as error:
            raise RunError(f"{file} cannot be read: {error.strerror}") from error
        if document.problems or not isinstance(document.data, dict):
            raise RunError(f"{file} is damaged: it holds no experiment")
        return document.data

    def records(self) -> list[dict[str, Any]]:
        """Return the lines of the log by step. If a step was logged twice, the later line counts.

        A damaged line is skipped with a warning.
        """
        from ganlab.records import LogRecord, read_records

        by_step = {record["step"]: record for record in read_records(self.log_file, LogRecord)}
        return [by_step[step] for step in sorted(by_step)]

    def append_log(self, record: dict[str, Any]) -> None:
        """Append a line to the log, or raise `RunError`."""
        with writing(self.log_file):
            append_line(self.log_file, record)

    def update(self, **changes: Any) -> None:
        """Change entries of run.json and write it, with the current progress."""
        self.info |= changes
        self.info["progress"] = asdict(self.progress)
        path, info = self.path / "run.json", copy.deepcopy(self.info)
        self.write(self.path, lambda: write_json(path, info))

    def write(self, path: Path, job: Callable[[], object]) -> None:
        """Call a job that writes ``path``, at once or in the background, in order of the calls.

        The data that the job writes must not change until then. A failure to write raises
        `RunError` naming ``path``; for a job in the background, at a later call.
        """

        def guarded() -> None:
            with writing(path):
                job()

        self.files.submit(guarded)

    # ----------------------------------------------------------------------------- lock

    def lock(self) -> None:
        """Make this process the only one that writes here, until `unlock` or its end.

        Raises `RunError` if another process holds the lock.
        """
        lock = filelock.FileLock(self._lock_file)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=PATIENCE_SECONDS, poll_interval=0.05)
        except filelock.Timeout:
            raise RunError(f"{self.path} is in use: another process trains this run") from None
        except OSError as error:
            raise RunError(cannot_write(self.path, error)) from error
        self._lock = lock

    def reread(self) -> None:
        """Read run.json again: another process may have written it before this one had the lock."""
        fresh = read_run(self.path)
        self.info, self.progress = fresh.info, fresh.progress

    def unlock(self) -> None:
        """Release the lock if this process holds it."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def locked(self) -> bool:
        """Return True while a process trains the run, this process included."""
        if self._lock is not None:
            return True
        if not self._lock_file.exists():
            return False
        try:
            with filelock.FileLock(self._lock_file).acquire(blocking=False):
                return False
        except filelock.Timeout:
            return True
        except OSError:  # a read-only folder: no process can train there
            return False

    @property
    def _lock_file(self) -> Path:
        """The lock file. It is beside the directory, so the lock outlives creating or moving it."""
        return self.path.with_name(f".{self.path.name}.lock")


def now() -> str:
    """Return the current time in the format of run.json: ISO 8601, UTC, in seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def run_folder(runs: Path, *, experiment: str, identity: str, seed: int) -> Path:
    """Return the folder of the run of this experiment and seed, whether or not it exists."""
    return runs / experiment / f"{identity[:6]}-s{seed}"


def create_run(run: RunDirectory, *, experiment_text: str, config: str) -> None:
    """Create a run directory. The caller must hold its lock."""
    with writing(run.path):
        for folder in (run.path, run.checkpoints, run.samples, run.path / "plugins"):
            folder.mkdir(parents=True, exist_ok=True)
        write_atomically(run.path / "experiment.yaml", experiment_text.encode())
        write_atomically(run.path / "config.yaml", config.encode())


def read_run(path: Path) -> RunDirectory:
    """Read a run directory.

    Raises:
        RunError: if there is no ``run.json``, or it lacks a required key or has an invalid value.
    """
    from ganlab.records import parse_run  # imports pydantic, which takes 0.1 s

    file = path / "run.json"
    try:
        info = parse_run(file.read_text())
    except FileNotFoundError:
        raise RunNotFound(f"{path} is no run: it has no run.json") from None
    except (OSError, ValueError) as error:
        raise RunError(f"{file} cannot be read: {error}") from error
    return RunDirectory(path, info=info, progress=Progress.of(info.get("progress", {})))


def find_run(name: str, runs: Path) -> RunDirectory:
    """Return the run with this name: a folder, ``<experiment>/<id>``, or an experiment's name.

    The name of an experiment, or its YAML file, selects the newest of its runs. Raises `RunError`
    if there is no such run.
    """
    path = Path(name)
    if not name.strip("./ "):
        raise RunNotFound(f"'{name}' names no run: write <experiment>/<id> or an experiment's name")
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
    raise RunNotFound(f"there is no run '{name}'; runs below {runs}: {known}")


def list_runs(folder: Path) -> list[RunDirectory]:
    """Return every run below a folder, sorted by path, without those that were set aside.

    A damaged run is skipped with a warning that names the file and the field.
    """
    from ganlab.records import warn_once

    runs = []
    for file in sorted(folder.glob("**/run.json")):
        if "~" not in file.parent.name:
            try:
                runs.append(read_run(file.parent))
            except RunError as error:
                warn_once(file, str(error))
    return runs


def set_aside(path: Path) -> Path:
    """Rename a run directory to ``<name>~<number>`` and return its new path."""
    number = 1
    while (aside := path.with_name(f"{path.name}~{number}")).exists():
        number += 1
    with writing(path):
        path.rename(aside)
    return aside


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Convert an `OSError` inside the block to a `RunError` naming ``path``."""
    try:
        yield
    except OSError as error:
        raise RunError(cannot_write(path, error)) from error


def cannot_write(path: Path, error: OSError) -> str:
    """Return the message for a failed write: a full or read-only disk, or missing permission."""
    reason = error.strerror or str(error)
    return (
        f"cannot write {path}: {reason}; what was saved before is intact: make room or choose "
        "another place with --runs-dir, and repeat the command"
    )


class Clock:
    """Measures the seconds of training over all sessions."""

    def __init__(self, seconds_before: float) -> None:
        self._start = time.monotonic() - seconds_before

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Do not count the time inside the block."""
        begin = time.monotonic()
        try:
            yield
        finally:
            self._start += time.monotonic() - begin

    def seconds(self) -> float:
        """Return the seconds of training so far."""
        return time.monotonic() - self._start
