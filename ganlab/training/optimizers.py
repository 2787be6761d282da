"""Build torch optimizers from options, in the fastest exact implementation."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from ganlab.config.experiment import SGD, Adam, AdamW, OptimizerOptions, RMSprop
from ganlab.schedules import at

CLASSES: dict[type[OptimizerOptions], type[torch.optim.Optimizer]] = {
    Adam: torch.optim.Adam,
    AdamW: torch.optim.AdamW,
    RMSprop: torch.optim.RMSprop,
    SGD: torch.optim.SGD,
}


def build_optimizer(
    options: OptimizerOptions, parameters: Iterable[nn.Parameter], device: torch.device
) -> torch.optim.Optimizer:
    """Build the optimizer that the options describe."""
    kwargs: dict[str, Any] = options.model_dump() | {"lr": at(options.lr, 0)}
    if not isinstance(options, RMSprop):  # torch has no fused RMSprop
        kwargs["fused"] = device.type in ("cpu", "cuda")
    return CLASSES[type(options)](list(parameters), **kwargs)


def set_rate(optimizer: torch.optim.Optimizer, options: OptimizerOptions, *, images: int) -> None:
    """Set the learning rate to its value after D has seen this many images."""
    for group in optimizer.param_groups:
        group["lr"] = at(options.lr, images)
