"""Experiments of components that only these tests know."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ganlab.config.resolve import LoadedExperiment, load_experiment
from ganlab.errors import ConfigError
from ganlab.plugins import Plugins

PARTS = Path(__file__).parents[1] / "config_plugins"
BASE = """\
dataset: dots
generator: net
discriminator: critic
conditioning: beside
loss: hinge
train: {epochs: 1}
"""


@pytest.fixture
def plugins() -> Plugins:
    """The components of tests/config_plugins, and no others."""
    plugins = Plugins()
    plugins.load_folder(PARTS)
    assert [plugin.status for plugin in plugins.plugins.values()] == ["loaded"]
    return plugins


@pytest.fixture
def write(workplace: Path) -> Callable[..., Path]:
    """Write ``my.yaml``, or another file, into the working directory."""

    def write(text: str, name: str = "my.yaml") -> Path:
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return write


@pytest.fixture
def load(write: Callable[..., Path], plugins: Plugins) -> Callable[..., LoadedExperiment]:
    """Load the base experiment with sections replaced, and overrides after them."""

    def load(*overrides: str, **sections: str | None) -> LoadedExperiment:
        return load_experiment(write(base(**sections)), plugins, overrides)

    return load


@pytest.fixture
def problems_of(load: Callable[..., LoadedExperiment]) -> Callable[..., list[str]]:
    """Load likewise, and return what is wrong, a line each."""

    def problems_of(*overrides: str, **sections: str | None) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            load(*overrides, **sections)
        assert caught.value.exit_code == 2
        return [str(problem) for problem in caught.value.problems]

    return problems_of


def base(**sections: str | None) -> str:
    """Return the base experiment, six lines, with sections replaced, added or (None) left out."""
    lines = dict(line.split(": ", 1) for line in BASE.splitlines())
    merged = {**lines, **sections}
    return "".join(f"{key}: {value}\n" for key, value in merged.items() if value is not None)
