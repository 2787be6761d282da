"""An experiment in double precision whose every number several processes can be held to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def experiment(write_experiment: Callable[..., Path], workplace: Path) -> Callable[..., Path]:
    """Write the experiment of the tiny plugins, without what they keep for themselves."""

    def write(*, sections: dict[str, Any] | None = None, **train: Any) -> Path:
        options = {"precision": "fp64", "batch_size": 12, **train}
        return write_experiment(sections={"regularizers": [], **(sections or {})}, **options)

    return write
