"""Whose fault it was: from an error, or a number that is not finite, to a plugin and its site."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn

from ganlab.errors import PluginError
from ganlab.options import Component
from ganlab.sites import mark_of
from ganlab.training.model import Model


def attributed(error: BaseException) -> PluginError | None:
    """Return the error of a plugin whose code an exception passed through; None if there is none.

    It says which component, at which site or in which method, which file and line, and what.
    """
    frames = list(_frames(error))
    owners = [(owner, at) for at, (frame, _) in enumerate(frames) if (owner := _owner(frame))]
    if not owners:
        return None
    owner, at = owners[-1]
    # Deeper frames are of the same plugin or of what it called: the last of its own file counts.
    file = frames[at][0].f_code.co_filename
    line = [number for frame, number in frames[at:] if frame.f_code.co_filename == file][-1]
    what = str(error) or "no message"
    return PluginError(f"{owner} raised {type(error).__name__} at {Path(file).name}:{line}: {what}")


def _frames(error: BaseException) -> Iterator[tuple[FrameType, int]]:
    traceback = error.__traceback__
    while traceback is not None:
        yield traceback.tb_frame, traceback.tb_lineno
        traceback = traceback.tb_next


def _owner(frame: FrameType) -> str | None:
    """Say whose code a frame runs: a marked module's, or a component's own method."""
    who = frame.f_locals.get("self")
    site = mark_of(who)
    if site is not None:
        return site
    own = type(who).__module__ == frame.f_globals.get("__name__")
    if isinstance(who, Component) and own:
        return f"{who.kind} '{who.name}': {frame.f_code.co_name}()"
    return None


def check_gradients(model: Model) -> None:
    """Refuse a parameter that the first iteration gave no gradient: nothing would train it."""
    for role, network in model.networks.items():
        for name, parameter in network.named_parameters():
            if parameter.grad is None and parameter not in model.frozen:
                raise PluginError(
                    f"{_of(network, name) or role}: the parameter {role}.{name} takes part in "
                    "nothing: expected a gradient in the first step, got none; make it a buffer "
                    "or freeze it if that is meant"
                )


def not_finite(model: Model, z: Tensor, y: Tensor) -> str:
    """Say which part of freshly built networks makes a number that is not finite; or nothing.

    The networks must have their initial weights. Inputs are noise (N, Z) and labels (N,).
    """
    found: list[str] = []

    def look(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        if not found and all(map(_finite, inputs)) and not _finite(output):
            found.append(mark_of(module) or "")

    hooks = [
        module.register_forward_hook(look)
        for network in model.networks.values()
        for module in network.modules()
        if mark_of(module)
    ]
    try:
        with torch.no_grad():
            model.D(model.G(z, y), y)
    finally:
        for hook in hooks:
            hook.remove()
    return found[0] if found else ""


def _finite(value: Any) -> bool:
    if isinstance(value, Tensor):
        return bool(torch.isfinite(value).all()) if value.is_floating_point() else True
    if isinstance(value, dict):
        return all(map(_finite, value.values()))
    return all(map(_finite, value)) if isinstance(value, tuple | list) else True


def _of(network: nn.Module, name: str) -> str | None:
    """Return the mark of the module that a parameter lies in, the innermost if several."""
    found = None
    module: nn.Module = network
    for part in name.split(".")[:-1]:
        module = getattr(module, part)
        found = mark_of(module) or found
    return found
