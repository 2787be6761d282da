"""What the processes of ``--processes`` are given before they start."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import Any

import pytest
from torch.distributed.launcher import api

from ganlab.workers import torchrun


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], str]:
    """Return the number of threads of each process, where five CPUs are available."""
    seen: list[str] = []

    def elastic_launch(config: Any, program: str) -> Callable[..., None]:
        return lambda *arguments: seen.append(os.environ["OMP_NUM_THREADS"])

    def threads(count: int) -> str:
        assert torchrun.launch(["run", "exp.yaml"], count=count, gpus=False) == 0
        return seen[-1]

    monkeypatch.setattr(api, "elastic_launch", elastic_launch)
    monkeypatch.setattr(torchrun, "available_cpus", lambda: 5)
    monkeypatch.setattr(os, "environ", {**os.environ})
    monkeypatch.setattr(logging.getLogger("torch.distributed"), "setLevel", lambda level: None)
    return threads


@pytest.mark.parametrize(("count", "each"), [(2, "2"), (5, "1"), (8, "1")])
def test_processes_share_the_processors_that_this_one_may_use(
    threads: Callable[[int], str], monkeypatch: pytest.MonkeyPatch, count: int, each: str
) -> None:
    monkeypatch.delitem(os.environ, "OMP_NUM_THREADS", raising=False)
    assert threads(count) == each


def test_a_number_of_threads_that_the_user_chose_is_kept(
    threads: Callable[[int], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "OMP_NUM_THREADS", "3")
    assert threads(2) == "3"
