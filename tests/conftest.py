"""What all tests share: a private cache, one thread, and plugins of their own."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Before torch is imported: workers that share two cores must not each start two threads.
os.environ["OMP_NUM_THREADS"] = "1"

import pytest
import yaml
from click.testing import CliRunner, Result

TINY = Path(__file__).parent / "tiny_plugins"
EXPERIMENT: dict[str, Any] = {
    "dataset": "tiny",
    "generator": "tiny",
    "discriminator": "tiny",
    "conditioning": "tiny",
    "loss": "tiny",
    "regularizers": ["tiny"],
    "augmentations": ["tiny"],
    "callbacks": ["tiny"],
    "train": {
        "steps": 12,
        "batch_size": 8,
        "z_dim": 4,
        "ema": {"decay": 0.9},
        "log_every": "2 steps",
        "checkpoint_every": "3 steps",
        "device": "cpu",
        "precision": "fp32",
    },
}


@pytest.fixture(autouse=True)
def _private(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the user's cache and settings out of the tests, and the tests out of them."""
    monkeypatch.setenv("GANLAB_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    for name in list(os.environ):
        if name.startswith("GANLAB_") and name not in ("GANLAB_CACHE", "GANLAB_TEST_BLOCK"):
            monkeypatch.delenv(name)
    if "GANLAB_TEST_BLOCK" in os.environ:  # one test runs the core's tests without any component
        monkeypatch.setenv("GANLAB_BLOCK_PLUGINS", os.environ["GANLAB_TEST_BLOCK"])


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def write_experiment(workplace: Path) -> Callable[..., Path]:
    """Write an experiment of tiny components; keyword arguments change its ``train`` block."""

    def write(
        name: str = "exp.yaml", *, sections: dict[str, Any] | None = None, **train: Any
    ) -> Path:
        data = {**EXPERIMENT, **(sections or {}), "train": {**EXPERIMENT["train"], **train}}
        path = workplace / name
        path.write_text(yaml.safe_dump(data))
        return path

    return write


@pytest.fixture
def ganlab(workplace: Path) -> Callable[..., Result]:
    """Call the command line in this process: ``ganlab("run", "exp.yaml")``, tiny plugins loaded."""
    from ganlab.cli import cli

    def call(*arguments: str | Path, tiny: bool = True) -> Result:
        folders = ["--plugins-dir", str(TINY)] if tiny else []
        return CliRunner().invoke(cli, [*folders, *map(str, arguments)], prog_name="ganlab")

    return call


@pytest.fixture(scope="session")
def trained_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train six steps: an epoch of the forty images, and a batch."""
    from ganlab.cli import cli

    folder = tmp_path_factory.mktemp("trained")
    data = {**EXPERIMENT, "train": {**EXPERIMENT["train"], "steps": 6}}
    (folder / "exp.yaml").write_text(yaml.safe_dump(data))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("GANLAB_CACHE", str(folder / "cache"))
        result = CliRunner().invoke(cli, ["--plugins-dir", str(TINY), "run", "exp.yaml"])
    assert result.exit_code == 0, result.output
    return folder


@pytest.fixture
def trained_run(trained_once: Path, workplace: Path) -> Path:
    """Return a finished run of ``exp.yaml`` without scores."""
    shutil.copytree(trained_once / "runs", workplace / "runs")
    shutil.copy(trained_once / "exp.yaml", workplace)
    (run,) = workplace.glob("runs/exp/*-s0")
    return run


@pytest.fixture
def without_companions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the shipped metric that stands on every board: these are tests of the core."""
    if "GANLAB_BLOCK_PLUGINS" not in os.environ:
        monkeypatch.setenv("GANLAB_BLOCK_PLUGINS", "metrics.cond_acc")
