"""Convert an exception that stopped a run to an error with advice, and to the run's status."""

from __future__ import annotations

import traceback

import torch

from ganlab.config.experiment import Experiment
from ganlab.errors import GanlabError, PluginError, RunError, first_line
from ganlab.files import write_atomically
from ganlab.run_directory import RunDirectory
from ganlab.training.error_attribution import attributed, not_finite
from ganlab.training.generate import noise
from ganlab.training.loop import Diverged
from ganlab.training.model import Model, build_model
from ganlab.training.processes import on_main_process

TRACEBACK = "traceback.txt"
"""The file in the run directory that holds the traceback of a plugin's error."""


def status_of(error: BaseException) -> str:
    """Return the status of a run that ended with this exception."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    return "diverged" if isinstance(error, Diverged) else "failed"


def explain(error: BaseException, run: RunDirectory, *, compiled: bool) -> GanlabError | None:
    """Return an error with advice to raise instead; None if the original error suffices.

    The traceback of an error in a plugin is written to the run directory.
    """
    if isinstance(error, torch.OutOfMemoryError):
        return RunError(
            f"the GPU's memory is full at step {run.progress.steps}: make train.batch_size or "
            "the networks smaller"
        )
    if compiled and isinstance(error, torch._dynamo.exc.TorchDynamoException):
        what = f"the networks cannot be compiled: {first_line(error)}"
        return RunError(f"{what}; set train.compile=off")
    if isinstance(error, GanlabError) or not isinstance(error, Exception):
        return None
    plugin_error = attributed(error)
    if plugin_error is None:
        return None
    keep_traceback(run, "".join(traceback.format_exception(error)))
    return PluginError(f"{plugin_error}\n  traceback: {run.path / TRACEBACK}")


@on_main_process
def keep_traceback(run: RunDirectory, text: str) -> None:
    """Write a traceback to the run directory."""
    write_atomically(run.path / TRACEBACK, text.encode())


def source_of(diverged: Diverged, model: Model, experiment: Experiment) -> str:
    """Describe the plugin that caused a value that is not finite; empty if unknown."""
    owner = model.owners.get(diverged.name)
    if owner:
        return f": it is a term of {owner}"
    fresh = build_model(experiment, model.spec, model.choices)
    z = noise(2, experiment.train.z_dim, 0).to(fresh.choices.device, fresh.choices.dtype)
    site = not_finite(fresh, z, torch.arange(2, device=z.device))
    return f": {site} gives numbers that are not finite, with its initial weights" if site else ""
