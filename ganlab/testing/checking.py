"""`check`: run all checks for a component of any kind."""

from __future__ import annotations

import inspect
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import torch

from ganlab.components import (
    Augmentation,
    Callback,
    Conditioning,
    Dataset,
    Loss,
    Network,
    TrainingComponent,
)
from ganlab.errors import PluginError
from ganlab.metrics import Extractor, Metric
from ganlab.options import Component
from ganlab.plugin_files import Plugin
from ganlab.plugins import Plugins, import_file, load_plugins
from ganlab.testing.augmentations import check_augmentation
from ganlab.testing.callbacks import check_callback
from ganlab.testing.datasets import check_dataset
from ganlab.testing.declaration import check_declared, check_options
from ganlab.testing.extractors import check_extractor
from ganlab.testing.losses import check_loss
from ganlab.testing.metrics import check_metric
from ganlab.testing.networks import check_network
from ganlab.testing.report import EARLIER_FAILURE, Findings, Report
from ganlab.testing.sites import check_sites
from ganlab.testing.small import small
from ganlab.testing.terms import check_rules, check_terms
from ganlab.testing.training import PARTNERS, check_resume, check_training


def check(subject: Component | type[Component], *, plugins: Plugins | None = None) -> Report:
    """Check a component against the contract of its kind, and return a report.

    A class is checked with its ``for_tests`` options, and with small values for options whose names
    begin with ``width``; an object is checked with its own options. The component is also trained
    together with each component of the other kinds in ``plugins``, by default all plugins that are
    installed or in ./plugins. ``check(Offset).expect_ok()`` raises `CheckFailed` with all failures.
    """
    cls = subject if isinstance(subject, type) else type(subject)
    given = None if isinstance(subject, type) else subject
    plugins = load_plugins() if plugins is None else plugins
    name = getattr(cls, "name", cls.__name__)
    found = Findings(_plugin_of(cls, plugins), f"{cls.kind} '{name}'", _file_of(cls))
    with _quiet():
        written = check_declared(found, cls)
        ready = check_options(found, cls, given)
        if not (written and ready):
            lacks = written and not found.groups[-1].failures
            reason = "check an object with these options instead of the class"
            found.skip("the rest", reason if lacks else EARLIER_FAILURE)
            return Report(found.plugin, found.component, found.groups)
        component = given or _small(cls)
        _check_kind(found, component, plugins)
    return Report(found.plugin, found.component, found.groups)


def check_file(path: Path, *, plugins: Plugins | None = None) -> list[Report]:
    """Load a plugin file and check each component in it, in the order of their kinds.

    Raises `PluginError` if the file does not exist, does not load, or registers no component.
    """
    plugins = load_plugins() if plugins is None else plugins
    return [check(component, plugins=plugins) for component in components_of(path, plugins)]


def components_of(path: Path, plugins: Plugins) -> list[type[Component]]:
    """Return the components of a plugin file, and load the file if necessary."""
    if not path.is_file():
        raise PluginError(f"{path}: there is no such file")
    file = path.resolve()

    def loaded() -> Plugin | None:
        known = (p for p in plugins.plugins.values() if p.file and p.file.resolve() == file)
        return next(known, None)

    if loaded() is None:
        plugins.add(file.stem, str(file), partial(import_file, file), file=file)
    plugin = loaded()
    assert plugin is not None
    if plugin.failed:
        raise PluginError(f"{path} did not load: {plugin.status}")
    if plugin.status == "blocked":
        raise PluginError(f"{path} is kept from loading by GANLAB_BLOCK_PLUGINS or its like")
    found = [one.component for one in plugins.registered() if one.plugin == plugin]
    if not found:
        hooks = "register_losses(), register_conditionings() and so on"
        raise PluginError(
            f"{path} brings no component: register it by the hook of its kind, {hooks}"
        )
    return found


def _check_kind(found: Findings, subject: Component, plugins: Plugins) -> None:
    match subject:
        case Conditioning():
            check_sites(found, subject)
        case Network():
            check_network(found, subject)
        case Loss():
            check_loss(found, subject)
        case Augmentation():
            check_augmentation(found, subject)
        case Metric():
            check_metric(found, subject)
        case Extractor():
            check_extractor(found, subject, plugins)
        case Dataset():
            check_dataset(found, subject)
        case Callback():
            check_callback(found, subject)
    if subject.kind not in PARTNERS:
        return
    for title, tried in (
        (
            "terms",
            partial(check_terms, found, subject)
            if isinstance(subject, TrainingComponent)
            else None,
        ),
        ("rules", partial(check_rules, found, subject)),
        ("resume", partial(check_resume, found, subject)),
        ("training", partial(check_training, found, subject, plugins)),
    ):
        if tried is None:
            continue
        if any(group.failures for group in found.groups[2:]):
            found.skip(title, EARLIER_FAILURE)
        else:
            tried()


def _small(cls: type[Component]) -> Component:
    """Return a small instance, or one with the defaults if the small network cannot be built."""
    component = small(cls)
    if isinstance(component, Network):
        from ganlab.testing.harness import experiment_of, make_harness

        try:
            make_harness(experiment_of(component))
        except Exception:
            return cls()
    return component


def _plugin_of(cls: type[Component], plugins: Plugins) -> str:
    try:
        return plugins.origin(cls).name
    except (PluginError, AttributeError):
        return cls.__module__


def _file_of(cls: type[Component]) -> Path | None:
    try:
        return Path(inspect.getfile(cls))
    except (OSError, TypeError):
        return None


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence torch's and other components' warnings, and use one thread inside the context."""
    log = logging.getLogger("ganlab")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"torch\.")
        threads, level = torch.get_num_threads(), log.level
        try:
            torch.set_num_threads(1)  # the networks are tiny
            log.setLevel(logging.ERROR)
            yield
        finally:
            torch.set_num_threads(threads)
            log.setLevel(level)
