"""What the tests of scoring share: no metric but the tiny ones, and an empty cache."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


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


@pytest.fixture
def run(trained_run: Path) -> Path:
    """Return a run of ``exp.yaml`` that nobody has scored."""
    return trained_run
