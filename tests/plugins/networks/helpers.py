"""Networks of any family, built alone or in a small model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from ganlab import DataSpec, DiscriminatorNet, GeneratorNet, Sites
from ganlab.config.resolve import resolve
from ganlab.data.batches import Batches
from ganlab.plugins import load_plugins
from ganlab.training.model import Model, build_model
from ganlab.training.precision import choose
from ganlab.types import Prepared

PLUGINS = load_plugins()
NETWORKS = ("sngan", "sagan", "biggan")
SMALL = {name: PLUGINS.find("generator", name).component.for_tests for name in NETWORKS}
SHARED = ["shared-embedding", "cbn", "projection"]


def spec_of(size: int = 16, channels: int = 1, num_classes: int = 3) -> DataSpec:
    return DataSpec(num_classes, size, channels, tuple(map(str, range(num_classes))))


def generator(
    name: str, spec: DataSpec, schemes: Sequence[str] = (), *, z_dim: int = 12, **options: Any
) -> GeneratorNet:
    found = [PLUGINS.find("conditioning", scheme).component() for scheme in schemes]
    sites = Sites("generator", found, spec)
    return PLUGINS.find("generator", name).component(**options).build(z_dim, spec, sites)


def discriminator(
    name: str, spec: DataSpec, schemes: Sequence[str] = (), **options: Any
) -> DiscriminatorNet:
    found = [PLUGINS.find("conditioning", scheme).component() for scheme in schemes]
    sites = Sites("discriminator", found, spec)
    return PLUGINS.find("discriminator", name).component(**options).build(spec, sites)


def model(
    network: str,
    conditioning: Any,
    *,
    loss: str | None = "hinge",
    regularizers: Sequence[Any] = (),
    precision: str = "fp32",
) -> tuple[Model, Batches, Any]:
    """Return a model of both networks, a batch of random images, and the training options."""
    spec = spec_of()
    data = {
        "dataset": {"type": "digits", "image_size": spec.image_size},
        "generator": {"type": network, **SMALL[network]},
        "discriminator": {"type": network, **SMALL[network]},
        "conditioning": conditioning,
        "loss": loss,
        "regularizers": list(regularizers),
        "train": {
            "steps": 1,
            "batch_size": 4,
            "z_dim": 5,
            "device": "cpu",
            "precision": precision,
        },
    }
    if loss is None:
        del data["loss"]
    experiment = resolve(data, PLUGINS)
    noise = torch.randint(256, (8, 1, 16, 16), generator=torch.Generator().manual_seed(0))
    prepared = Prepared(noise.to(torch.uint8), torch.arange(8) % 3, spec, "", "")
    dtype = torch.float64 if precision == "fp64" else torch.float32
    batches = Batches(prepared, batch_size=4, seed=0, device=torch.device("cpu"), dtype=dtype)
    return build_model(experiment, spec, choose(experiment.train)), batches, experiment.train
