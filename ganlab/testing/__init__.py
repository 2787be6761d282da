"""The checking kit for plugin authors: `check` tests a component against its kind's contract.

Importing this package does not import torch, so that pytest loads its fixtures quickly.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_HOME = {
    "check": "ganlab.testing.checking",
    "check_file": "ganlab.testing.checking",
    "experiment_of": "ganlab.testing.harness",
    "train": "ganlab.testing.harness",
    "CheckFailed": "ganlab.testing.report",
    "Failure": "ganlab.testing.report",
    "Report": "ganlab.testing.report",
}
__all__ = ["CheckFailed", "Failure", "Report", "check", "check_file", "experiment_of", "train"]

if TYPE_CHECKING:
    from ganlab.testing.checking import check, check_file
    from ganlab.testing.harness import experiment_of, train
    from ganlab.testing.report import CheckFailed, Failure, Report


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module 'ganlab.testing' has no attribute '{name}'")


def __dir__() -> list[str]:
    return __all__
