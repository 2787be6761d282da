"""What the tests of scoring share: a small finished run, and no metric but the tiny ones."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from tests.conftest import EXPERIMENT, TINY
from tests.training.helpers import only_run


@pytest.fixture
def without_companions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the shipped metric that stands on every board: these are tests of the core."""
    if "GANLAB_BLOCK_PLUGINS" not in os.environ:
        monkeypatch.setenv("GANLAB_BLOCK_PLUGINS", "metrics.cond_acc")


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Start with an empty cache: equal runs of other tests left nothing there."""
    monkeypatch.setenv("GANLAB_CACHE", str(tmp_path / "own cache"))
    return tmp_path / "own cache"


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
def run(trained_once: Path, workplace: Path) -> Path:
    """Return a run of ``exp.yaml`` that nobody has scored."""
    shutil.copytree(trained_once / "runs", workplace / "runs")
    shutil.copy(trained_once / "exp.yaml", workplace)
    return only_run(workplace)
