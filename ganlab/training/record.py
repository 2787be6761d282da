"""What a run records of itself, and what must not have changed when it goes on."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
from importlib.metadata import version
from typing import Any

from ganlab.config.experiment import Experiment
from ganlab.data.prepare import Prepared
from ganlab.errors import RunError
from ganlab.plugins import Plugin, Plugins
from ganlab.runs import Run

PACKAGES = ("ganlab", "torch", "torchvision", "numpy", "torch-fidelity")


def describe_dataset(data: Prepared, *, asked: str) -> dict[str, Any]:
    """Return what run.json says of the dataset that is really used."""
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


def describe_plugins(experiment: Experiment, plugins: Plugins) -> dict[str, dict[str, Any]]:
    """Return, by ``<kind>/<name>``, where each component of the experiment comes from."""
    return {
        f"{component.kind}/{component.name}": _describe(plugins.origin(type(component)))
        for component in experiment.components()
    } | {f"observer/{plugin.name}": _describe(plugin) for plugin in _watching(plugins)}


def check_unchanged(run: Run, dataset: dict[str, Any], plugins: dict[str, Any]) -> None:
    """Refuse to go on with other data or other code than the run has learned from so far."""
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


def copy_plugins(run: Run, experiment: Experiment, plugins: Plugins) -> None:
    """Copy the user's own plugin files that the run uses into it."""
    used = [plugins.origin(type(component)) for component in experiment.components()]
    for plugin in [*used, *_watching(plugins)]:
        if plugin.local and plugin.file is not None:
            shutil.copyfile(plugin.file, run.path / "plugins" / plugin.file.name)


def describe_machine() -> dict[str, Any]:
    """Return versions and hardware."""
    import torch

    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "python": platform.python_version(),
        **{package: version(package) for package in PACKAGES},
        "platform": platform.platform(),
        "processors": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": gpu,
    }


def describe_git() -> dict[str, Any] | None:
    """Return the commit that the working directory is at, or None outside a repository."""
    try:
        commit = _git("rev-parse", "HEAD").strip()
        return {"commit": commit, "dirty": bool(_git("status", "--porcelain", "-uno").strip())}
    except (OSError, subprocess.SubprocessError):
        return None


def peak_memory_bytes(device_type: str) -> int:
    """Return the most memory that this process held: on the GPU if it trains there."""
    if device_type == "cuda":
        import torch

        return torch.cuda.max_memory_allocated()
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _watching(plugins: Plugins) -> list[Plugin]:
    """Return the user's own files that watch every run by ``on_*`` hooks."""
    manager = plugins.manager
    return [
        plugin
        for plugin in plugins.plugins.values()
        if plugin.local
        and (module := manager.get_plugin(plugin.name)) is not None
        and any(caller.name.startswith("on_") for caller in manager.get_hookcallers(module) or [])
    ]


def _describe(plugin: Plugin) -> dict[str, Any]:
    digest = hashlib.sha256(plugin.file.read_bytes()).hexdigest() if plugin.file else None
    return {
        "plugin": plugin.name,
        "source": plugin.source,
        "file": str(plugin.file) if plugin.file else None,
        "local": plugin.local,
        "sha256": digest,
    }


def _git(*arguments: str) -> str:
    result = subprocess.run(["git", *arguments], capture_output=True, text=True, timeout=5)
    result.check_returncode()
    return result.stdout
