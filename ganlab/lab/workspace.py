"""Where runs, data and plugins lie: what every operation shares."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ganlab.errors import UsageError
from ganlab.sweeping.jobs import Place

if TYPE_CHECKING:
    from ganlab.config.resolve import LoadedExperiment
    from ganlab.plugins import Plugins

ExperimentLike = str | PathLike[str] | Mapping[str, Any]
"""An experiment's file, the name of one, or its content as plain data."""

Overrides = Sequence[str] | Mapping[str, Any]
"""``["train.epochs=2"]`` or ``{"train.epochs": 2}``."""

log = logging.getLogger("ganlab")
INHERITED = ("GANLAB_", "OMP_NUM_THREADS")
"""The beginnings of environment variables that workers on other machines need."""


class Workspace:
    """The folders of runs, data and plugins, and the device."""

    def __init__(
        self,
        runs: str | PathLike[str] | None = None,
        data_root: str | PathLike[str] | None = None,
        plugins: Sequence[str | PathLike[str]] | None = None,
        device: str = "auto",
        *,
        arguments: Sequence[str] = (),
    ) -> None:
        self.runs_dir = Path(runs or os.environ.get("GANLAB_RUNS") or "runs")
        self.data_root = Path(data_root) if data_root is not None else None
        self.plugin_folders = [Path(folder) for folder in plugins or ()]
        self.device = device
        self.arguments = arguments
        """The command line that is recorded in runs; empty for a call from Python."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(runs={str(self.runs_dir)!r}, device={self.device!r})"

    # ------------------------------------------------------------------------- plugins

    @cached_property
    def plugins(self) -> Plugins:
        """The plugins, loaded when they are first needed; a warning names each that failed."""
        return self.load_plugins()

    def load_plugins(self, *, silent: Sequence[Path] = ()) -> Plugins:
        """Load the plugins, with a warning for each that failed but is not in ``silent``."""
        from ganlab.plugins import load_plugins

        loaded = load_plugins(self.plugin_folders)
        for plugin in loaded.plugins.values():
            if plugin.failed and plugin.file not in silent:
                log.warning("%s did not load: %s", plugin.source, plugin.status)
        return loaded

    def usable_plugins(self) -> Plugins:
        """Return the plugins. Raises `PluginError` if a file of the user's own did not load."""
        self.plugins.check_local()
        return self.plugins

    # --------------------------------------------------------------------- other places

    @property
    def place(self) -> Place:
        """All that another process needs to make an equal workspace."""
        variables = {k: v for k, v in os.environ.items() if k.startswith(INHERITED)}
        return Place(
            folder=str(Path.cwd()),
            runs=str(self.runs_dir),
            device=self.device,
            data_root=str(self.data_root) if self.data_root else None,
            plugin_folders=[str(folder) for folder in self.plugin_folders],
            environment=variables,
            arguments=list(self.arguments),
        )

    @classmethod
    def at(cls, place: Place) -> Self:
        """Return the workspace at a place, after changing into its folder.

        Raises OSError if there is no such folder on this machine.
        """
        os.environ.update(place.environment)
        os.chdir(place.folder)
        return cls(
            place.runs,
            place.data_root,
            list(place.plugin_folders),
            place.device,
            arguments=list(place.arguments),
        )

    # ---------------------------------------------------------------------- experiments

    def load_experiment(
        self, experiment: ExperimentLike, overrides: Overrides = ()
    ) -> LoadedExperiment:
        """Read an experiment and check every value. Raises `ConfigError` with all problems."""
        from ganlab.config.resolve import load_data, load_experiment

        texts = override_texts(overrides)
        if isinstance(experiment, Mapping):
            return load_data(experiment, self.plugins, texts)
        return load_experiment(experiment, self.plugins, texts)


def override_texts(overrides: Overrides) -> list[str]:
    """Return overrides as ``KEY=VALUE`` texts."""
    if isinstance(overrides, str):
        raise UsageError(f"overrides are a list: write [{overrides!r}]")
    if isinstance(overrides, Mapping):
        return [f"{key}={json.dumps(value)}" for key, value in overrides.items()]
    return list(overrides)
