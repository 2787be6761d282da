"""The kit's own fixtures, as pytest finds them where ganlab is installed."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _imports() -> Iterator[None]:
    """Forget what a test imported from its own folder: the next one has files of the same names."""
    path, modules = list(sys.path), set(sys.modules)
    yield
    added = [entry for entry in sys.path if entry not in path]
    for name in set(sys.modules) - modules:
        file = getattr(sys.modules[name], "__file__", None) or ""
        if any(file.startswith(f"{entry}/") for entry in added):
            del sys.modules[name]
    sys.path[:] = path
