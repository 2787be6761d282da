"""What keeps a machine from training a sweep's jobs, as it says itself before any is trained."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import Result

from ganlab import __version__
from ganlab.lab.sweeps import Sweep
from ganlab.plugins import load_plugins
from ganlab.sweeping.jobs import EngineEvent, Job
from ganlab.workers.train import check
from tests.training.helpers import TINY

Write = Callable[..., Path]
Ganlab = Callable[..., Result]
SIGN = ".sweep-0123"
SHARED = "all machines must share the folder of the command and that of the runs"
LOST = """
from ganlab import Dataset, hookimpl
from ganlab.errors import DataUnavailable


class Lost(Dataset):
    name = "lost"

    def read(self, root, split):
        raise DataUnavailable(f"lost: it is not in {root}")


@hookimpl
def register_datasets():
    return [Lost]
"""


class Kept:
    """An engine that trains nothing and keeps its jobs."""

    def __init__(self) -> None:
        self.jobs: Sequence[Job] = ()

    def run(self, jobs: Sequence[Job]) -> Iterator[EngineEvent]:
        self.jobs = jobs
        return iter(())


@pytest.fixture(autouse=True)
def _put_back(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Restore what `check` changes in its process. `workplace` restores the folder."""
    monkeypatch.setattr(sys, "argv", ["worker"])
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def job(
    write_sweep: Write,
    workplace: Path,
    ganlab: Ganlab,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Job:
    """A job as ``ganlab sweep`` makes it, looked at from another folder."""
    kept = Kept()
    monkeypatch.setattr(Sweep, "_engine", lambda *_: kept)
    result = ganlab("sweep", write_sweep(1), "--no-board")
    assert result.exit_code == 0, result.output
    (workplace / "runs").mkdir()
    (workplace / "runs" / SIGN).touch()
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    monkeypatch.delitem(sys.modules, "traced")
    (job,) = kept.jobs
    return job


def asked(job: Job, *, version: str = __version__, sign: str = SIGN) -> str | None:
    return check(job, version=version, sign=sign)


def test_a_machine_that_sees_all_stands_where_the_command_was_given(
    job: Job, workplace: Path
) -> None:
    place = replace(job.place, arguments=["sweep", "grid.yaml"])
    job = replace(job, place=place).with_environment(GANLAB_TEST_WORD="here")
    assert asked(job) is None
    assert Path.cwd() == workplace
    assert os.environ["GANLAB_TEST_WORD"] == "here"
    assert sys.argv == ["worker"]
    assert [path.name for path in (workplace / "runs").iterdir()] == [SIGN]  # nothing is written


def test_another_version_is_said_before_anything_is_looked_at(job: Job) -> None:
    here = Path.cwd()
    assert asked(job, version="9.9") == f"has ganlab {__version__}, and the command ganlab 9.9"
    assert Path.cwd() == here


def test_a_folder_that_is_not_there(job: Job, tmp_path: Path) -> None:
    job = replace(job, place=replace(job.place, folder=str(tmp_path / "gone")))
    assert asked(job) == f"cannot enter {tmp_path / 'gone'}: No such file or directory: {SHARED}"


def test_runs_without_the_sign_are_other_runs(job: Job, workplace: Path) -> None:
    seen = f"does not see the runs in {workplace / 'runs'}: {SHARED}"
    assert asked(job, sign=".sweep-other") == seen


def test_other_images_under_the_same_name(job: Job) -> None:
    job = replace(job, dataset={**job.dataset, "sha256": "0" * 64})
    assert asked(job) == "finds other images of 'tiny' than the sweep was checked with"


def test_a_plugin_file_that_is_not_there(job: Job, workplace: Path) -> None:
    (workplace / "plugins" / "traced.py").unlink()
    allowed = ", ".join(load_plugins([TINY]).names("callback"))
    problem = f"callbacks.0: there is no callback 'trace'; allowed: {allowed}"
    assert asked(job) == f"1 problem in the experiment\n  {problem}"


def test_a_folder_of_plugins_that_is_not_there(job: Job, tmp_path: Path) -> None:
    job = replace(job, place=replace(job.place, plugin_folders=[str(TINY), str(tmp_path / "more")]))
    assert asked(job) == f"--plugins-dir {tmp_path / 'more'}: there is no such folder"


def test_a_plugin_file_that_does_not_load(job: Job, workplace: Path) -> None:
    file = workplace / "plugins" / "traced.py"
    file.write_text("import nothing_of_the_kind\n")
    reason = (
        f"{file} did not load: ModuleNotFoundError: No module named 'nothing_of_the_kind' (line 1)"
    )
    assert asked(job) == f"{reason}; mend it, move it away, or set GANLAB_BLOCK_PLUGINS=traced"


def test_data_that_cannot_be_had(job: Job, workplace: Path) -> None:
    (workplace / "plugins" / "lost.py").write_text(LOST)
    job = replace(job, experiment={**job.experiment, "dataset": {"type": "lost"}})
    job = replace(job, place=replace(job.place, data_root="data"))
    assert asked(job) == "lost: it is not in data"
