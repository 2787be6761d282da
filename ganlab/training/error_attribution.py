"""Attribute an error, or a value that is not finite, to a plugin and its site."""

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
    """Return a `PluginError` if the exception passed through a plugin's code; otherwise None.

    The message names the component, its site or method, the file, the line and the exception.
    """
    frames = list(_frames(error))
    owners = [(owner, at) for at, (frame, _) in enumerate(frames) if (owner := _owner(frame))]
    if not owners:
        return None
    owner, at = owners[-1]
    # Deeper frames belong to the plugin or to code that it called: use the last in its own file.
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
    """Return the owner of the code of a frame, a marked module or a component; None without one."""
    who = frame.f_locals.get("self")
    site = mark_of(who)
    if site is not None:
        return site
    own = type(who).__module__ == frame.f_globals.get("__name__")
    if isinstance(who, Component) and own:
        return f"{who.kind} '{who.name}': {frame.f_code.co_name}()"
    return None


def check_gradients(model: Model) -> None:
    """Raise an error if the first iteration gave a parameter no gradient, as it would not train."""
    for role, network in model.networks.items():
        for name, parameter in network.named_parameters():
            if parameter.grad is None and parameter not in model.frozen:
                raise PluginError(
                    f"{_of(network, name) or role}: the parameter {role}.{name} takes part in "
                    "nothing: expected a gradient in the first step, got none; make it a buffer "
                    "or freeze it if that is meant"
                )


def not_finite(model: Model, z: Tensor, y: Tensor) -> str:
    """Name the first part of the networks whose output is not finite; empty if all are finite.

    The networks must have their initial weights. The inputs are noise (N, Z) and labels (N,).
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
    """Return the mark of the innermost marked module that contains a parameter, or None."""
    found = None
    module: nn.Module = network
    for part in name.split(".")[:-1]:
        module = getattr(module, part)
        found = mark_of(module) or found
    return found
