"""The smallest components that make an experiment. A component is first checked with these.

They belong to the kit, so that a check does not depend on shipped components, and an error of
another component is not attributed to the checked one.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from ganlab.components import (
    Conditioning,
    Dataset,
    Discriminator,
    Generator,
    Images,
    Loss,
    Split,
)
from ganlab.nn import DiscriminatorNet, GeneratorNet, one_hot
from ganlab.sites import Sites
from ganlab.types import DataSpec, Latents

NAME = "kit"
WIDTH = 6


class KitImages(Dataset):
    """Noisy images with a different brightness for each class."""

    name = NAME
    image_size: int = 16
    count: int = 16
    """Number of images."""

    def read(self, root: Path, split: Split) -> Images:
        labels = np.arange(self.count) % 4
        random = np.random.default_rng(0 if split == "train" else 1)
        noise = random.integers(0, 60, (self.count, 16, 16))
        return Images((noise + 60 * labels[:, None, None]).astype(np.uint8), labels, tuple("abcd"))


class KitGenerator(Generator):
    """A linear layer to 4 x 4, a norm site, and a transposed convolution to the image size."""

    name = NAME

    def build(self, z_dim: int, spec: DataSpec, sites: Sites) -> GeneratorNet:
        return _GeneratorNet(z_dim, spec, sites)


class _GeneratorNet(GeneratorNet):
    def __init__(self, z_dim: int, spec: DataSpec, sites: Sites) -> None:
        super().__init__()
        site = sites.latent(z_dim)
        self.latent, self.style = site, sites.style(z_dim)
        self.first = nn.Linear(site.out_features, WIDTH * 16)
        self.norm = sites.norm(WIDTH, nn.GroupNorm(2, WIDTH))
        side = spec.image_size // 4
        self.last = nn.ConvTranspose2d(WIDTH, spec.channels, side, side)

    def synthesize(self, latents: Latents) -> Tensor:
        h = self.first(latents.w).view(-1, WIDTH, 4, 4)
        return torch.tanh(self.last(torch.relu(self.norm(h, latents.style))))


class KitDiscriminator(Discriminator):
    """A strided convolution and a linear layer."""

    name = NAME

    def build(self, spec: DataSpec, sites: Sites) -> DiscriminatorNet:
        return _DiscriminatorNet(spec, sites)


class _DiscriminatorNet(DiscriminatorNet):
    def __init__(self, spec: DataSpec, sites: Sites) -> None:
        super().__init__()
        site = sites.image()
        self.image = site
        self.conv = nn.Conv2d(site.out_channels, WIDTH, 4, spec.image_size // 4)
        self.head = sites.head(WIDTH * 16, nn.Linear(WIDTH * 16, 1))

    def features(self, x: Tensor) -> Tensor:
        return nn.functional.leaky_relu(self.conv(x), 0.2).flatten(1)


class KitNorm(Conditioning):
    """A gain per channel that is linear in the style, for schemes that only provide a style."""

    name = f"{NAME}-norm"

    def norm(self, channels: int, style_dim: int, plain: nn.Module, spec: DataSpec) -> nn.Module:
        return _StyleGains(channels, style_dim, plain)


class _StyleGains(nn.Module):
    def __init__(self, channels: int, style_dim: int, plain: nn.Module) -> None:
        super().__init__()
        self.plain = plain
        self.gain = nn.Linear(style_dim, channels)

    def forward(self, h: Tensor, style: Tensor) -> Tensor:
        gain = 1 + self.gain(style)
        return gain.view(*gain.shape, *(1,) * (h.dim() - 2)) * self.plain(h)


class KitConditioning(Conditioning):
    """Concatenates one-hot labels to the noise, and constant one-hot planes to the image."""

    name = NAME

    def latent(self, z_dim: int, spec: DataSpec) -> nn.Module:
        return _ConcatLabel(z_dim, spec.num_classes)

    def image(self, channels: int, spec: DataSpec) -> nn.Module:
        return _ConcatLabel(channels, spec.num_classes)


class _ConcatLabel(nn.Module):
    def __init__(self, width: int, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.out_features = self.out_channels = width + num_classes

    def forward(self, t: Tensor, y: Tensor) -> Tensor:
        code = one_hot(y, self.num_classes, dtype=t.dtype)
        planes = code.view(*code.shape, *(1,) * (t.dim() - 2))
        return torch.cat([t, planes.expand(-1, -1, *t.shape[2:])], 1)


class KitLoss(Loss):
    """The non-saturating GAN loss on logits."""

    name = NAME

    def d(self, real: Tensor, fake: Tensor) -> Tensor:
        return softplus(-real) + softplus(fake)

    def g(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        return softplus(-fake)
