"""Tiny experiments around the components under check, and short training runs of them."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import Tensor

from ganlab.components import KINDS
from ganlab.config.experiment import OPTIMIZERS, Experiment, ReplacedLoss, Scheme, Train
from ganlab.data.batches import Batches
from ganlab.nn import one_hot
from ganlab.options import Component
from ganlab.run_directory import Progress
from ganlab.seeds import derive_seed, seed_everything, seeded
from ganlab.step import Step
from ganlab.testing import kit_components
from ganlab.testing.small import small
from ganlab.training.iteration import discriminate, iterate
from ganlab.training.loop import advanced
from ganlab.training.model import Model, build_model, update_average
from ganlab.training.precision import choose
from ganlab.types import Batch, DataSpec, Prepared, Role

CPU = torch.device("cpu")
SIZE = 16


def spec_of(classes: int = 4, *, channels: int = 1, size: int = SIZE) -> DataSpec:
    """Return a small `DataSpec`."""
    return DataSpec(classes, size, channels, tuple(map(str, range(classes))))


def labels_of(n: int, classes: int, *, rows: bool = False) -> Tensor:
    """Return labels 0, 1, ..., K - 1, 0, 1, ...: (N,) indices, or one-hot rows (N, K)."""
    y = torch.arange(n) % classes
    return one_hot(y, classes) if rows else y


def experiment_of(*components: Component | type[Component], **train: Any) -> Experiment:
    """Return a tiny experiment with these components; the kit's own components fill the rest.

    A class is instantiated with small options. ``train`` are training options.
    """
    made = [one if isinstance(one, Component) else small(one) for one in components]
    of = {kind: [one for one in made if one.kind == kind] for kind in KINDS}
    schemes = of["conditioning"] or [kit_components.KitConditioning()]
    claims = {s for one in schemes for s in cast(Any, type(one)).claims("generator")}
    if "style" in claims and "norm" not in claims:  # a style alone has no effect
        schemes = [*schemes, kit_components.KitNorm()]
    options = {"steps": 3, "batch_size": 4, "z_dim": 16, "device": "cpu", "precision": "fp32"}
    taking_part = [*schemes, *of["regularizer"], *of["augmentation"]]
    loss = of["loss"] or [
        ReplacedLoss() if any(getattr(p, "replaces_loss", False) for p in taking_part)
        else kit_components.KitLoss()
    ]  # fmt: skip
    default = next(iter(OPTIMIZERS.values()))
    return Experiment(
        name=kit_components.NAME,
        dataset=cast(Any, (of["dataset"] or [kit_components.KitImages()])[0]),
        generator=cast(Any, (of["generator"] or [kit_components.KitGenerator()])[0]),
        discriminator=cast(Any, (of["discriminator"] or [kit_components.KitDiscriminator()])[0]),
        conditioning=tuple(Scheme(cast(Any, one)) for one in schemes),
        loss=cast(Any, loss[0]),
        regularizers=cast(Any, tuple(of["regularizer"])),
        augmentations=cast(Any, tuple(of["augmentation"])),
        optimizer={"generator": default(), "discriminator": default()},
        train=Train(**{**options, **train}),
        callbacks=cast(Any, tuple(of["callback"])),
    )


@dataclass
class Harness:
    """A model, random images, and the training progress."""

    experiment: Experiment
    model: Model
    batches: Batches
    at: Progress = field(default_factory=Progress)
    losses: list[dict[str, float]] = field(default_factory=list)
    """The scalars of every step, as in the log: ``loss_d``, ``loss_g``, terms."""

    def step(self) -> dict[str, Tensor]:
        """Run one iteration, seeded as in a run, and return its scalars."""
        options, at = self.experiment.train, self.at
        seed_everything(derive_seed(options.seed, "step", at.steps), CPU)
        reals = [Batch(*self.batches.batch(at.batches + i)) for i in range(options.d_steps)]
        scalars = iterate(self.model, reals, at, options, draw_labels=self.batches.labels)
        if self.model.ema is not None and options.ema is not None:
            decay = options.ema.decay_at(
                step=at.steps, images=at.images, batch_size=options.batch_size
            )
            update_average(self.model.ema, self.model.G, decay)
        self.at = advanced(at, options, dataset_size=self.batches.size, seconds=0)
        self.losses.append({name: float(value) for name, value in scalars.items()})
        return scalars

    def tensors(self) -> dict[str, Tensor]:
        """Return all parameters and buffers, by their names in a checkpoint."""
        return {
            f"{name}/{key}": value
            for name, module in self.model.modules().items()
            for key, value in module.state_dict().items()
        }

    def not_finite(self) -> str | None:
        """Return the name of the first tensor with a non-finite value; None if there is none."""
        for name, value in self.tensors().items():
            if value.is_floating_point() and not torch.isfinite(value).all():
                return name
        return None


def make_harness(experiment: Experiment, spec: DataSpec | None = None) -> Harness:
    """Build the model of an experiment and 16 random images for it."""
    spec = spec or spec_of(channels=_channels(experiment), size=_size(experiment))
    generator = torch.Generator().manual_seed(0)
    shape = (16, spec.channels, spec.image_size, spec.image_size)
    images = torch.randint(256, shape, generator=generator).to(torch.uint8)
    data = Prepared(images, labels_of(16, spec.num_classes), spec, "", kit_components.NAME)
    model = build_model(experiment, spec, choose(experiment.train))
    size = experiment.train.batch_size
    return Harness(experiment, model, Batches(data, batch_size=size, seed=0, device=CPU))


def train(*components: Component | type[Component], steps: int = 2, **options: Any) -> Harness:
    """Train these components with the kit's own for some steps, and return the harness."""
    trained = make_harness(experiment_of(*components, **options))
    with seeded(0, CPU):
        for _ in range(steps):
            trained.step()
    return trained


def _size(experiment: Experiment) -> int:
    sizes = set(experiment.generator.sizes) & set(experiment.discriminator.sizes)
    return SIZE if SIZE in sizes or not sizes else min(sizes)


def _channels(experiment: Experiment) -> int:
    both = set(experiment.generator.channels) & set(experiment.discriminator.channels)
    return min(both, default=1)


def step_of(model: Model, role: Role, *, n: int, rows: bool = False, train: Train) -> Step:
    """Return a step of one network as the training loop makes it, with D's outputs."""
    spec = model.spec
    y = labels_of(n, spec.num_classes, rows=rows)
    x = torch.rand(n, spec.channels, spec.image_size, spec.image_size) * 2 - 1
    z = torch.randn(n, train.z_dim)
    fake_y = y.roll(1, 0)
    for parameter in model.D.parameters():
        parameter.requires_grad_(role == "discriminator" and parameter not in model.frozen)
    images = model.G(z, fake_y)
    step = Step(
        role=role,
        index=0,
        real=Batch(x, y),
        fake=Batch(images if role == "generator" else images.detach(), fake_y, z),
        G=model.G,
        D=model.D,
        loss=model.loss,
        spec=spec,
        components=model.components,
        autocast=model.choices.autocast,
    )
    return discriminate(step, model)


def resumed(trained: Harness) -> Harness:
    """Return a new harness that was restored from what a checkpoint of this one contains."""
    from safetensors.torch import load, save

    plain = {k: v.detach().contiguous().clone() for k, v in trained.tensors().items()}
    stored = load(save(plain))
    fresh = make_harness(trained.experiment, trained.model.spec)
    for name, module in fresh.model.modules().items():
        prefix = f"{name}/"
        found = {k.removeprefix(prefix): v for k, v in stored.items() if k.startswith(prefix)}
        module.load_state_dict(found)
    for role, optimizer in fresh.model.optimizers.items():
        optimizer.load_state_dict(copy.deepcopy(trained.model.optimizers[role].state_dict()))
    fresh.at = trained.at
    return fresh
