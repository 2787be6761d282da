"""A step without networks, for terms that depend on auxiliary outputs, and small models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ganlab import Conditioning, DataSpec, Loss
from ganlab.config.resolve import resolve
from ganlab.data.batches import Batches
from ganlab.plugins import Plugins, load_plugins
from ganlab.step import Step
from ganlab.training.model import Model, build_model
from ganlab.training.precision import choose
from ganlab.types import Batch, DiscriminatorOutput, Prepared, Role
from tests.plugins.stand import small

SPEC = DataSpec(3, 16, 1, ("a", "b", "c"))
PLUGINS = load_plugins()


def scheme(name: str, **options: Any) -> Conditioning:
    return PLUGINS.get(Conditioning, name)(**options)


def loss(name: str, **options: Any) -> Loss:
    return PLUGINS.get(Loss, name)(**options)


def batch(note: Any, y: Tensor, *, name: str = "", z: Tensor | None = None) -> Batch:
    """Return a batch with a given auxiliary output of D."""
    n = len(y)
    return Batch(
        torch.zeros(n, 1, 2, 2), y, z, DiscriminatorOutput(torch.zeros(n), y, {name: note})
    )


def step(role: Role, real: Batch, fake: Batch, *, spec: DataSpec = SPEC, **more: Any) -> Step:
    fields = {"G": nn.Identity(), "D": nn.Identity(), "loss": loss("bce"), **more}
    return Step(role=role, index=0, real=real, fake=fake, spec=spec, **fields)


def floats(terms: dict[str, Tensor]) -> dict[str, float]:
    return {name: value.item() for name, value in terms.items()}


def build(
    conditioning: Any,
    network: str,
    *,
    loss: str | None = "hinge",
    plugins: Plugins = PLUGINS,
    spec: DataSpec = SPEC,
    precision: str = "fp32",
    regularizers: Sequence[Any] = (),
) -> tuple[Model, Batches, Any]:
    """Return a model of small networks, a batch of random images, and the training options."""
    data = {
        "dataset": {"type": "digits", "image_size": 16},
        "generator": small("generator", network),
        "discriminator": small("discriminator", network),
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
    experiment = resolve(data, plugins)
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (8, 1, 16, 16), generator=generator).to(torch.uint8)
    model = build_model(experiment, spec, choose(experiment.train))
    prepared = Prepared(images, torch.arange(8) % spec.num_classes, spec, "", "")
    dtype = torch.float64 if precision == "fp64" else torch.float32
    batches = Batches(prepared, batch_size=4, seed=0, device=torch.device("cpu"), dtype=dtype)
    return model, batches, experiment.train
