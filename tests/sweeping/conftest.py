"""Sweeps of tiny components whose runs leave a trace of who trained which step."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Write = Callable[..., Path]
TRACE = """
import os
import signal
import time

from ganlab import Callback, hookimpl


class Trace(Callback):
    name = "trace"
    seconds: float = 0.0
    fails: bool = False

    def on_step_end(self, run, step, losses):
        with (run.path / "trace.txt").open("a") as file:
            file.write(f"{os.getpid()} {step} {os.environ.get('GANLAB_TEST_WORD')}\\n")
        time.sleep(self.seconds)
        if self.fails and step == 2 and run.info["seed"] == 1:
            raise KeyError("boom")

    def on_run_end(self, run, error):
        print("50 %\\r100 %")


@hookimpl
def register_callbacks():
    return [Trace]
"""


@pytest.fixture(autouse=True)
def _without_companions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANLAB_BLOCK_PLUGINS", "metrics.cond_acc")
    monkeypatch.delitem(sys.modules, "traced", raising=False)  # of the test before
    monkeypatch.setattr(sys, "path", [*sys.path])


@pytest.fixture
def write_sweep(write_experiment: Write, workplace: Path) -> Write:
    """Write ``grid.yaml``: runs that differ in the seed, each with a trace."""

    def write(
        seeds: int, *, seconds: float = 0.0, grid: dict[str, Any] | None = None, **train: Any
    ) -> Path:
        (workplace / "plugins").mkdir(exist_ok=True)
        (workplace / "plugins" / "traced.py").write_text(TRACE)
        sections = {
            "sweep": grid or {"train.seed": list(range(seeds))},
            "eval": {"metrics": ["tiny"], "extractor": "tiny"},
            "callbacks": [{"type": "trace", "seconds": seconds}],
        }
        return write_experiment("grid.yaml", sections=sections, **{"steps": 4} | train)

    return write
