"""What the tests of scoring share: a run to score, and an empty cache."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Start with an empty cache: equal runs of other tests left nothing there."""
    monkeypatch.setenv("GANLAB_CACHE", str(tmp_path / "own cache"))
    return tmp_path / "own cache"


@pytest.fixture
def run(trained_run: Path) -> Path:
    """Return a run of ``exp.yaml`` that nobody has scored."""
    return trained_run
