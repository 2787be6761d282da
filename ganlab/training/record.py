"""The record of a run, in run.json, and the checks on resume that nothing essential changed."""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from ganlab.components import KINDS
from ganlab.config.experiment import Experiment
from ganlab.config.naming import BUDGETS
from ganlab.data.prepare import Prepared
from ganlab.errors import RunError
from ganlab.options import Component
from ganlab.plugin_files import Plugin
from ganlab.plugins import Plugins
from ganlab.run_directory import RunDirectory

PACKAGES = ("ganlab", "torch", "torchvision", "numpy", "torch-fidelity")


def describe_dataset(data: Prepared, *, asked: str) -> dict[str, Any]:
    """Return the entry of run.json for the dataset that is used, which may be the fallback."""
    spec = data.spec
    return {
        "name": data.source,
        "fallback_for": asked if asked != data.source else None,
        "sha256": data.sha256,
        "images": len(data.images),
        "image_size": spec.image_size,
        "channels": spec.channels,
        "class_names": list(spec.class_names),
    }


def describe_experiment(experiment: Experiment) -> dict[str, Any]:
    """Return the options that affect learning, and the budgets, for comparison on a leaderboard."""
    data = experiment.training_config()
    budgets = experiment.train.model_dump(mode="json", include=set(BUDGETS))
    return data | {"train": data["train"] | budgets}


def describe_plugins(experiment: Experiment, plugins: Plugins) -> dict[str, dict[str, Any]]:
    """Return the origin of each component of the experiment, by ``<kind>/<name>``."""
    described = {
        f"{component.kind}/{component.name}": _describe(
            plugins.origin(type(component)), _files_of(type(component))
        )
        for component in experiment.components()
    }
    for plugin in _watching(plugins):
        described[f"observer/{plugin.name}"] = _describe(plugin, [plugin.file])
    return described


def check_unchanged(run: RunDirectory, dataset: dict[str, Any], plugins: dict[str, Any]) -> None:
    """Raise an error if the data or the code differs from that of the run so far."""
    changes = []
    before = run.info["dataset"]
    if before["sha256"] != dataset["sha256"]:
        changes.append(
            f"dataset: was {before['name']} {before['sha256'][:12]}, "
            f"is {dataset['name']} {dataset['sha256'][:12]}"
        )
    for key, now in plugins.items():
        was = run.info["plugins"].get(key)
        if was is None:
            changes.append(f"{key}: new, from {now['source']}")
        elif was["sha256"] != now["sha256"]:
            changes.append(f"{key}: {now['file']} has changed since the run started")
    changes += [f"{key}: no longer there" for key in run.info["plugins"] if key not in plugins]
    if changes:
        raise RunError(
            "\n  ".join(
                [
                    f"{run.name} cannot go on: what it learned from has changed",
                    *changes,
                    "start over with --fresh, or accept it with --allow-changes",
                ]
            )
        )


def copy_plugins(run: RunDirectory, experiment: Experiment, plugins: Plugins) -> None:
    """Copy the user's plugin files that the run uses to the run directory."""
    components = [*experiment.components(), *experiment.eval.components()]
    used = [plugins.origin(type(component)) for component in components]
    for plugin in [*used, *_watching(plugins)]:
        if plugin.local and plugin.file is not None:
            copy = run.path / "plugins" / plugin.file.name
            if copy.exists() and copy.read_bytes() != plugin.file.read_bytes():
                copy.rename(copy.with_name(f"{copy.name}.{len(run.info['sessions'])}"))
            shutil.copyfile(plugin.file, copy)


def describe_machine(device: torch.device) -> dict[str, Any]:
    """Return the software versions and the hardware."""
    gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else None
    return {
        "python": platform.python_version(),
        **{package: version(package) for package in PACKAGES},
        "platform": platform.platform(),
        "processors": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": gpu,
    }


def describe_git() -> dict[str, Any] | None:
    """Return the Git commit of the working directory, or None outside a repository."""
    try:
        commit = _git("rev-parse", "HEAD").strip()
        return {"commit": commit, "dirty": bool(_git("status", "--porcelain", "-uno").strip())}
    except (OSError, subprocess.SubprocessError):
        return None


def forget_peak_memory(device: torch.device) -> None:
    """Reset the peak memory counter, because one process may train several runs."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    elif sys.platform == "linux":
        with contextlib.suppress(OSError):  # forbidden in some containers: peak of the process
            Path("/proc/self/clear_refs").write_text("5")


def peak_memory_bytes(device: torch.device) -> int:
    """Return the peak memory in bytes since `forget_peak_memory`, of the GPU or the process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if sys.platform == "linux":
        status = Path("/proc/self/status").read_text()
        (kilobytes,) = (row.split()[1] for row in status.splitlines() if row.startswith("VmHWM"))
        return 1024 * int(kilobytes)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _watching(plugins: Plugins) -> list[Plugin]:
    """Return the user's plugin files that observe every run through ``on_*`` hooks."""
    manager = plugins.manager
    return [
        plugin
        for plugin in plugins.plugins.values()
        if plugin.local
        and (module := manager.get_plugin(plugin.name)) is not None
        and any(caller.name.startswith("on_") for caller in manager.get_hookcallers(module) or [])
    ]


def _describe(plugin: Plugin, files: Sequence[Path | None]) -> dict[str, Any]:
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes() if file else b"")
    return {
        "plugin": plugin.name,
        "source": plugin.source,
        "file": str(plugin.file) if plugin.file else None,
        "local": plugin.local,
        "sha256": digest.hexdigest(),
    }


def _files_of(component: type[Component]) -> list[Path]:
    """Return the files that define a component, including those of its base classes."""
    own = component.__mro__[: component.__mro__.index(KINDS[component.kind])]
    return [Path(inspect.getfile(one)) for one in own]


def _git(*arguments: str) -> str:
    result = subprocess.run(["git", *arguments], capture_output=True, text=True, timeout=5)
    result.check_returncode()
    return result.stdout
