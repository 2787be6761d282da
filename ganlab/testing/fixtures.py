"""pytest fixtures for tests of plugins; pytest finds them if ganlab is installed.

torch is imported only when a test uses a fixture.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ganlab.config.experiment import Experiment
    from ganlab.plugins import Plugins
    from ganlab.testing.harness import Harness
    from ganlab.testing.report import Report


@pytest.fixture(scope="session")
def ganlab_plugins(request: pytest.FixtureRequest) -> Plugins:
    """All plugins that are installed or in ``plugins/`` of pytest's root folder.

    The test fails if a plugin file does not load.
    """
    from ganlab.plugins import load_plugins

    folder = Path(request.config.rootpath) / "plugins"
    plugins = load_plugins([folder] if folder.is_dir() else [])
    plugins.check_local()
    return plugins


@pytest.fixture
def ganlab_check(ganlab_plugins: Plugins) -> Callable[..., Report]:
    """Check a component: ``ganlab_check("conditioning", "offset")``, or a class or an object.

    The test fails with a line for each failed check.
    """
    from ganlab.testing.checking import check

    def checked(*subject: Any) -> Report:
        report = check(_found(ganlab_plugins, subject), plugins=ganlab_plugins)
        if not report.ok:
            pytest.fail(str(report), pytrace=False)
        return report

    return checked


@pytest.fixture
def ganlab_experiment(ganlab_plugins: Plugins) -> Callable[..., Experiment]:
    """Make a tiny experiment: ``ganlab_experiment(("loss", "hinge"), Offset, batch_size=8)``.

    Components are classes, objects or (kind, name); the kit's smallest components fill the rest.
    Keyword arguments are training options.
    """
    from ganlab.testing.harness import experiment_of

    def made(*components: Any, **train: Any) -> Experiment:
        return experiment_of(*(_found(ganlab_plugins, (c,)) for c in components), **train)

    return made


@pytest.fixture
def ganlab_train(ganlab_plugins: Plugins) -> Callable[..., Harness]:
    """Train a tiny experiment: ``ganlab_train(Offset, steps=5).losses[-1]["loss_d"]``."""
    from ganlab.testing.harness import train

    def trained(*components: Any, steps: int = 2, **options: Any) -> Harness:
        found = (_found(ganlab_plugins, (c,)) for c in components)
        return train(*found, steps=steps, **options)

    return trained


def _found(plugins: Plugins, subject: tuple[Any, ...]) -> Any:
    """Return the component class of (kind, name); return a class or an object unchanged."""
    while len(subject) == 1 and isinstance(subject[0], tuple):
        (subject,) = subject
    return plugins.find(*subject).component if len(subject) == 2 else subject[0]
