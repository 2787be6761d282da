"""Commands that are called with plugins of a test's own choice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ganlab.catalog.catalog import Catalog
from ganlab.catalog.describe import describe
from ganlab.plugins import Plugins
from tests.config.conftest import PARTS


class Stand:
    """Stands in for what the command line's group hands to its commands."""

    def __init__(self, plugins: Plugins) -> None:
        self._plugins = plugins
        self.folders: list[Path] = []

    def catalog(self) -> Catalog:
        return describe(self._plugins)

    def plugins(self, *, silent: Sequence[Path] = ()) -> Plugins:
        return self._plugins


@pytest.fixture
def parts() -> Plugins:
    """The components of tests/config_plugins, and no others."""
    plugins = Plugins()
    plugins.load_folder(PARTS)
    return plugins


@pytest.fixture
def call(parts: Plugins) -> Callable[..., Result]:
    """Call one command with the components of tests/config_plugins."""

    def call(name: str, *arguments: str) -> Result:
        command = import_module(f"ganlab.cli.{name}").command
        return CliRunner().invoke(command, arguments, obj=Stand(parts))

    return call
