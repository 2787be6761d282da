"""A component of each kind, as small as can be, so that the core's tests need no shipped one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from ganlab import (
    Augmentation,
    Callback,
    Conditioning,
    Dataset,
    DataSpec,
    Discriminator,
    DiscriminatorNet,
    Embed,
    Extractor,
    ExtractorNet,
    Generator,
    GeneratorNet,
    Images,
    Latents,
    Loss,
    Metric,
    MetricInput,
    Regularizer,
    Sites,
    Step,
    hookimpl,
    one_hot,
)


class TinyData(Dataset):
    """Forty squares of noise, a brightness a class."""

    name = "tiny"
    image_size: int = 16
    count: int = 40

    def read(self, root: Path, split: str) -> Images:
        labels = np.arange(self.count) % 4
        noise = np.random.default_rng(0).integers(0, 50, (self.count, 16, 16))
        images = (noise + 60 * labels[:, None, None]).astype(np.uint8)
        return Images(images, labels, ("dark", "dim", "light", "bright"))


class TinyGenerator(Generator):
    """Two linear layers with a norm site between them."""

    name = "tiny"
    width: int = 8

    def build(self, z_dim: int, spec: DataSpec, sites: Sites) -> GeneratorNet:
        return GeneratorOf(self.width, z_dim, spec, sites)


class GeneratorOf(GeneratorNet):
    def __init__(self, width: int, z_dim: int, spec: DataSpec, sites: Sites) -> None:
        super().__init__()
        self.latent = sites.latent(z_dim)
        self.style = sites.style(z_dim)
        self.size, self.channels = spec.image_size, spec.channels
        self.first = nn.Linear(self.latent.out_features, width)
        self.norm = sites.norm(width, nn.BatchNorm1d(width))
        self.last = nn.Linear(width, spec.channels * spec.image_size**2)

    def synthesize(self, latents: Latents) -> Tensor:
        h = torch.relu(self.norm(self.first(latents.w), latents.style))
        return torch.tanh(self.last(h)).view(-1, self.channels, self.size, self.size)


class TinyDiscriminator(Discriminator):
    """A strided convolution with batch normalisation and dropout, and a linear head."""

    name = "tiny"
    width: int = 8

    def build(self, spec: DataSpec, sites: Sites) -> DiscriminatorNet:
        return DiscriminatorOf(self.width, spec, sites)


class DiscriminatorOf(DiscriminatorNet):
    def __init__(self, width: int, spec: DataSpec, sites: Sites) -> None:
        super().__init__()
        self.image = sites.image()
        self.conv = nn.Conv2d(self.image.out_channels, width, 4, spec.image_size // 4)
        self.rest = nn.Sequential(nn.BatchNorm2d(width), nn.LeakyReLU(0.2), nn.Dropout(0.2))
        self.head = sites.head(width * 16, nn.Linear(width * 16, 1))

    def features(self, x: Tensor) -> Tensor:
        return self.rest(self.conv(x)).flatten(1)


class TinyConditioning(Conditioning):
    """The label beside the noise in G, as an embedding's inner product in D."""

    name = "tiny"

    def latent(self, z_dim: int, spec: DataSpec) -> nn.Module:
        return Beside(z_dim, spec.num_classes)

    def head(self, features: int, plain: nn.Module, spec: DataSpec) -> nn.Module:
        return Match(features, plain, spec.num_classes)


class Beside(nn.Module):
    def __init__(self, z_dim: int, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.out_features = z_dim + num_classes

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        return torch.cat([z, one_hot(y, self.num_classes, dtype=z.dtype)], 1)


class Match(nn.Module):
    def __init__(self, features: int, plain: nn.Module, num_classes: int) -> None:
        super().__init__()
        self.plain = plain
        self.embed = Embed(num_classes, features, std=0.1)

    def forward(self, h: Tensor, y: Tensor) -> Tensor:
        return self.plain(h).flatten() + (self.embed(y) * h).sum(1)


class Blank(Conditioning):
    """No conditioning."""

    name = "blank"


class TinyLoss(Loss):
    """Binary cross-entropy."""

    name = "tiny"

    def d(self, real: Tensor, fake: Tensor) -> Tensor:
        return softplus(-real) + softplus(fake)

    def g(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        return softplus(-fake)

    def logged_output(self, logit: Tensor) -> Tensor:
        return torch.sigmoid(logit)


class TinyRegularizer(Regularizer):
    """D's squared gradient at real images, and a running mean of it that must survive a resume."""

    name = "tiny"
    weight: float = 1.0

    def state(self, spec: DataSpec) -> nn.Module:
        module = nn.Module()
        module.register_buffer("mean", torch.zeros(()))
        return module

    def d_terms(self, step: Step, state: Any) -> dict[str, Tensor]:
        gradient = step.input_gradient(step.real.x, step.real.y)
        penalty = gradient.square().flatten(1).sum(1).mean()
        with torch.no_grad():
            state.mean.lerp_(penalty, 0.1)
        return {"penalty": self.weight * (penalty + 0.01 * state.mean)}


class TinyAugmentation(Augmentation):
    """Random brightness, drawn from the step."""

    name = "tiny"

    def augment(self, x: Tensor, step: Step, state: Any) -> Tensor:
        return x + 0.1 * step.randn(len(x), 1, 1, 1)


class TinyExtractor(Extractor):
    """Fixed random projections of the pixels; the classifier goes by brightness."""

    name = "tiny"

    @classmethod
    def priority(cls, channels: int) -> int:
        return 9

    def load(self, dataset: str, channels: int) -> ExtractorNet:
        return Projections(f"tiny-{dataset}-000000000000")

    def classifier(self, dataset: str, channels: int) -> ExtractorNet:
        return Brightness(f"bright-{dataset}-000000000000")


class Projections(ExtractorNet):
    def __init__(self, name: str) -> None:
        super().__init__()
        self.id = name
        self.class_names = ("dark", "dim", "light", "bright")
        generator = torch.Generator().manual_seed(0)
        self.register_buffer("matrix", torch.randn(256, 6, generator=generator) / 16)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        h = (images.float() / 127.5 - 1).flatten(1) @ self.matrix
        return h, h[:, :4]


class Brightness(Projections):
    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        h = images.float().flatten(1)
        logits = -(h.mean(1, keepdim=True) - torch.tensor([25.0, 85, 145, 205])).abs()
        return h, logits


class TinyMetric(Metric):
    """The distance of the mean features."""

    name = "tiny"
    default_order = 9
    min_profile = "quick"
    higher_is_better = False

    @property
    def min_images(self) -> int:
        return 3

    def compute(self, fake: MetricInput, real: MetricInput) -> dict[str, float]:
        return {"tiny": (fake.features.mean(0) - real.features.mean(0)).norm().item()}


class TinyAccuracy(Metric):
    """How often the classifier sees the class that was asked for."""

    name = "tiny-acc"
    higher_is_better = True
    needs = ("classifier",)

    def compute(self, fake: MetricInput, real: MetricInput) -> dict[str, float]:
        assert fake.predicted is not None
        return {"tiny-acc": (fake.predicted == fake.labels).float().mean().item()}


class TinyCallback(Callback):
    """Writes what it sees into the run."""

    name = "tiny"

    def on_log(self, run: Any, records: list[dict[str, float]]) -> None:
        with (run.path / "seen.txt").open("a") as file:
            file.writelines(f"{record['step']}\n" for record in records)


@hookimpl
def register_datasets():
    return [TinyData]


@hookimpl
def register_generators():
    return [TinyGenerator]


@hookimpl
def register_discriminators():
    return [TinyDiscriminator]


@hookimpl
def register_conditionings():
    return [TinyConditioning, Blank]


@hookimpl
def register_losses():
    return [TinyLoss]


@hookimpl
def register_regularizers():
    return [TinyRegularizer]


@hookimpl
def register_augmentations():
    return [TinyAugmentation]


@hookimpl
def register_extractors():
    return [TinyExtractor]


@hookimpl
def register_metrics():
    return [TinyMetric, TinyAccuracy]


@hookimpl
def register_callbacks():
    return [TinyCallback]
