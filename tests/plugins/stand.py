"""Small networks with known gradients, steps built by hand, and models of shipped components."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ganlab.components import BoundComponent, Loss, TrainingComponent
from ganlab.config.resolve import resolve
from ganlab.data.batches import Batches
from ganlab.plugins import Plugins, load_plugins
from ganlab.step import Step
from ganlab.training.model import Model, build_model
from ganlab.training.precision import choose
from ganlab.types import Batch, DataSpec, DiscriminatorOutput, Latents, Prepared, Role

SPEC = DataSpec(3, 16, 1, ("a", "b", "c"))
_loaded: list[Plugins] = []


def plugins() -> Plugins:
    """Return the shipped plugins, loaded once."""
    if not _loaded:
        _loaded.append(load_plugins())
    return _loaded[0]


def part(kind: str, name: str, **options: Any) -> Any:
    """Return a shipped component by kind and name."""
    return plugins().find(kind, name).component(**options)


def small(kind: str, name: str) -> dict[str, Any]:
    """Return the YAML block of a shipped component with its options for tests."""
    return {"type": name, **plugins().find(kind, name).component.for_tests}


class Classifier(nn.Module):
    """A discriminator whose logit is a given function of the image and the label."""

    def __init__(self, logit: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.logit = logit

    def forward(self, x: Tensor, y: Tensor) -> DiscriminatorOutput:
        return DiscriminatorOutput(self.logit(x, y), x.flatten(1), {})


class Draw(nn.Module):
    """A linear generator: pixels = weight @ noise."""

    def __init__(self, weight: Tensor, shape: tuple[int, int, int] = (1, 4, 4)) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)
        self.shape = shape

    def map(self, z: Tensor, y: Tensor) -> Latents:
        return Latents(z, z)

    def synthesize(self, latents: Latents) -> Tensor:
        return (latents.w @ self.weight.T).view(-1, *self.shape)

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        return self.synthesize(self.map(z, y))


def step_of(
    role: Role = "discriminator",
    *,
    real: Tensor,
    fake: Tensor,
    logit: Callable[[Tensor, Tensor], Tensor] = lambda x, y: x.flatten(1).sum(1),
    G: nn.Module | None = None,
    z: Tensor | None = None,
    components: Sequence[BoundComponent] = (),
    images: int = 0,
    index: int = 0,
    y: Tensor | None = None,
) -> Step:
    """Return a step with the outputs of D for both batches."""
    labels = torch.arange(len(real)) % 3 if y is None else y
    step = Step(
        role=role,
        index=index,
        real=Batch(real, labels),
        fake=Batch(fake, (labels + 1) % 3, z),
        G=G or nn.Identity(),
        D=Classifier(logit),
        loss=Loss(),
        spec=SPEC,
        components=components,
        images=images,
    )
    step.real = Batch(real, step.real.y, None, step.discriminate(real, step.real.y))
    step.fake = Batch(fake, step.fake.y, z, step.discriminate(fake, step.fake.y))
    return step


def active(component: TrainingComponent) -> BoundComponent:
    return BoundComponent(f"{component.kind}.{component.name}", component, component.state(SPEC))


def build(
    *,
    regularizers: Sequence[Any] = (),
    augmentations: Sequence[Any] = (),
    generator: str = "dcgan",
    discriminator: str = "dcgan",
    conditioning: Any = "concat",
    loss: str = "hinge",
    spec: DataSpec = SPEC,
    batch_size: int = 4,
    **train: Any,
) -> tuple[Model, Batches, Any]:
    """Return a model of small shipped networks and components, eight random images, the options."""
    experiment = resolve(
        {
            "dataset": {"type": "digits", "image_size": spec.image_size},
            "generator": small("generator", generator),
            "discriminator": small("discriminator", discriminator),
            "conditioning": conditioning,
            "loss": loss,
            "regularizers": list(regularizers),
            "augmentations": list(augmentations),
            "optimizer": train.pop("optimizer", "adam"),
            "train": {
                "steps": 1,
                "batch_size": batch_size,
                "z_dim": 5,
                "device": "cpu",
                "precision": "fp32",
                **train,
            },
        },
        plugins(),
    )
    shape = (8, spec.channels, spec.image_size, spec.image_size)
    images = torch.randint(256, shape, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(8) % spec.num_classes
    data = Prepared(images.to(torch.uint8), labels, spec, "", "")
    model = build_model(experiment, spec, choose(experiment.train))
    batches = Batches(data, batch_size=batch_size, seed=0, device=torch.device("cpu"))
    return model, batches, experiment.train
