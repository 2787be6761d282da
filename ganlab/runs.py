"""The run directory: where a run keeps everything, and how it is found again.

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
import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import filelock

from ganlab.background import Background
from ganlab.config.reader import read
from ganlab.errors import RunError, RunNotFound
from ganlab.files import append_line, read_lines, write_atomically, write_json

log = logging.getLogger("ganlab")
PATIENCE_SECONDS = 0.5
"""How long to wait for a lock: whoever only asks whether it is held has it for a moment."""


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
    """One run directory: `create_run` makes one, `read_run` and `find_run` find one."""

    path: Path
    info: dict[str, Any] = field(default_factory=dict)
    """What run.json holds."""

    progress: Progress = field(default_factory=Progress)
    unlogged: list[dict[str, float]] = field(default_factory=list)
    """The numbers of the steps since the last log line."""

    files: Background = field(default_factory=Background, compare=False)
    """Where files are written: see `write`."""

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
        """``running``, ``finished``, ``interrupted``, ``failed`` or ``diverged``, as recorded.

        ``killed`` if it is recorded as running, but nobody holds its lock.
        """
        status: str = self.info.get("status", "running")
        return "killed" if status == "running" and not self.locked() else status

    def weights(self, epoch: int | str | None) -> dict[str, Any] | None:
        """Return what run.json says of the newest or the ``best`` weights; None if it is not sure.

        It is not sure when a checkpoint came after it was written: the run was killed then. What
        was recorded of weights that were deleted since still holds.
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
        with writing(self.log):
            append_line(self.log, record)

    def update(self, **changes: Any) -> None:
        """Change run.json."""
        self.info |= changes
        self.info["progress"] = asdict(self.progress)
        path, info = self.path / "run.json", copy.deepcopy(self.info)
        self.write(self.path, lambda: write_json(path, info))

    def write(self, path: Path, job: Callable[[], object]) -> None:
        """Have a job write something: at once, or behind training, after what was asked before.

        What it will write must not change meanwhile. Raises `RunError`, perhaps at a later call,
        that names ``path`` where the system refuses.
        """

        def guarded() -> None:
            with writing(path):
                job()

        self.files.do(guarded)

    # ----------------------------------------------------------------------------- lock

    def lock(self) -> None:
        """Make this process the only one that writes here, until it ends, however it ends."""
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
        """Read run.json again: another process may have written it before the lock was ours."""
        fresh = read_run(self.path)
        self.info, self.progress = fresh.info, fresh.progress

    def unlock(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def locked(self) -> bool:
        """True while some process, this one included, trains the run."""
        if self._lock is not None:
            return True
        if not self._lock_file.exists():
            return False
        try:
            with filelock.FileLock(self._lock_file).acquire(blocking=False):
                return False
        except filelock.Timeout:
            return True
        except OSError:  # an archive that cannot be written: nobody trains there
            return False

    @property
    def _lock_file(self) -> Path:
        """Beside the directory, so that it can be taken before the directory is made or moved."""
        return self.path.with_name(f".{self.path.name}.lock")


def now() -> str:
    """The time as it stands in run.json: UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def run_folder(runs: Path, *, experiment: str, identity: str, seed: int) -> Path:
    """Return where the run of this experiment and seed lies, whether or not it exists."""
    return runs / experiment / f"{identity[:6]}-s{seed}"


def create_run(run: Run, *, experiment_text: str, config: str) -> None:
    """Make a new run directory; the caller holds its lock."""
    with writing(run.path):
        for folder in (run.path, run.checkpoints, run.samples, run.path / "plugins"):
            folder.mkdir(parents=True, exist_ok=True)
        write_atomically(run.path / "experiment.yaml", experiment_text.encode())
        write_atomically(run.path / "config.yaml", config.encode())


def read_run(path: Path) -> Run:
    """Read a run directory, or raise `RunError`."""
    file = path / "run.json"
    try:
        info = json.loads(file.read_text())
        if not isinstance(info, dict):
            raise ValueError(f"it holds a {type(info).__name__}, not a mapping")
        progress = Progress(**info.get("progress", {}))
    except FileNotFoundError:
        raise RunNotFound(f"{path} is no run: it has no run.json") from None
    except (OSError, ValueError, TypeError) as error:
        raise RunError(f"{file} cannot be read: {error}") from error
    return Run(path, info=info, progress=progress)


def find_run(name: str, runs: Path) -> Run:
    """Return the run that a user means: a folder, ``<experiment>/<id>``, or an experiment's name.

    An experiment's name, or its YAML file, means the newest of its runs.
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


def list_runs(folder: Path) -> list[Run]:
    """Return every readable run below a folder, sorted by path; set-aside ones are left out."""
    runs = []
    for file in sorted(folder.glob("**/run.json")):
        if "~" not in file.parent.name:
            try:
                runs.append(read_run(file.parent))
            except RunError as error:
                log.warning("%s", error)
    return runs


def set_aside(path: Path) -> Path:
    """Rename a run directory out of the way, losing nothing, and return its new place."""
    number = 1
    while (aside := path.with_name(f"{path.name}~{number}")).exists():
        number += 1
    with writing(path):
        path.rename(aside)
    return aside


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an `OSError` of ganlab's own writing inside into one clear line."""
    try:
        yield
    except OSError as error:
        raise RunError(cannot_write(path, error)) from error


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

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Do not count what happens inside."""
        begin = time.monotonic()
        try:
            yield
        finally:
            self._start += time.monotonic() - begin

    def seconds(self) -> float:
        return time.monotonic() - self._start
