"""Small networks of StyleGAN2 and R3GAN, built alone or in a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from ganlab.config.resolve import resolve
from ganlab.data.batches import Batches
from ganlab.sites import Sites
from ganlab.training.model import Model, build_model
from ganlab.training.precision import choose
from ganlab.types import DataSpec, Prepared
from tests.plugins.stand import SPEC, part, plugins

Z = 6
SMALL: dict[tuple[str, str], dict[str, Any]] = {
    (role, name): plugins().find(role, name).component.for_tests
    for role in ("generator", "discriminator")
    for name in ("stylegan2", "r3gan")
}


def spec_of(size: int, channels: int = 1) -> DataSpec:
    return DataSpec(3, size, channels, ("a", "b", "c"))


def generator(
    name: str, *schemes: Any, spec: DataSpec = SPEC, z_dim: int = Z, **options: Any
) -> Any:
    """Return a generator in which weights that start at zero are random, so that they matter."""
    torch.manual_seed(0)
    component = part("generator", name, **SMALL["generator", name] | options)
    return awake(component.build(z_dim, spec, Sites("generator", schemes, spec)))


def discriminator(name: str, *schemes: Any, spec: DataSpec = SPEC, **options: Any) -> Any:
    torch.manual_seed(0)
    component = part("discriminator", name, **SMALL["discriminator", name] | options)
    return awake(component.build(spec, Sites("discriminator", schemes, spec)))


def awake(network: nn.Module) -> nn.Module:
    with torch.no_grad():
        for parameter in network.parameters():
            if not parameter.any():
                parameter.normal_(std=0.1)
    return network


def run(
    name: str,
    *,
    conditioning: Any = "concat",
    loss: str = "logistic",
    regularizers: Sequence[Any] = (),
    augmentations: Sequence[Any] = (),
    G: dict[str, Any] | None = None,
    precision: str = "fp32",
    **train: Any,
) -> tuple[Model, Batches, Any]:
    """Return a model of both networks of a family, eight random images, and the options."""
    experiment = resolve(
        {
            "dataset": {"type": "digits", "image_size": SPEC.image_size},
            "generator": {"type": name, **SMALL["generator", name], **(G or {})},
            "discriminator": {"type": name, **SMALL["discriminator", name]},
            "conditioning": conditioning,
            "loss": loss,
            "regularizers": list(regularizers),
            "augmentations": list(augmentations),
            "train": {
                "steps": 1,
                "batch_size": 4,
                "z_dim": Z,
                "device": "cpu",
                "precision": precision,
                **train,
            },
        },
        plugins(),
    )
    images = torch.randint(256, (8, 1, 16, 16), generator=torch.Generator().manual_seed(0))
    data = Prepared(images.to(torch.uint8), torch.arange(8) % 3, SPEC, "", "")
    model = build_model(experiment, SPEC, choose(experiment.train))
    batches = Batches(data, batch_size=4, seed=0, device=torch.device("cpu"))
    return model, batches, experiment.train
