"""Building blocks that conditioning schemes and networks share."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ganlab.types import DiscriminatorOutput, Latents

Layer = TypeVar("Layer", bound=nn.Module)


def one_hot(y: Tensor, num_classes: int, *, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return labels as rows (N, K): indices (N,) one-hot, rows (N, K) as they are."""
    if y.dim() == 2:
        return y.to(dtype)
    return torch.nn.functional.one_hot(y, num_classes).to(dtype)


class Embed(nn.Module):
    """A learned vector (N, features) for labels: a row per class, or its mix for (N, K) rows."""

    def __init__(self, num_classes: int, features: int, *, std: float = 1.0) -> None:
        super().__init__()
        self.table = nn.Embedding(num_classes, features)
        nn.init.normal_(self.table.weight, std=std)

    def forward(self, y: Tensor) -> Tensor:
        return y.to(self.table.weight.dtype) @ self.table.weight if y.dim() == 2 else self.table(y)


class BatchNorm(_BatchNorm):
    """Batch normalisation of (N, C) or (N, C, *), over all but the channels."""

    def _check_input_dim(self, input: Tensor) -> None:  # noqa: A002  (torch's own signature)
        if input.dim() < 2:
            raise ValueError(f"expected (N, C) or (N, C, *), got {tuple(input.shape)}")


def modulate(h: Tensor, gain: Tensor, bias: Tensor) -> Tensor:
    """Return ``gain * h + bias`` for h (N, C, *) and (N, C) gains and biases."""
    shape = (*gain.shape, *(1,) * (h.dim() - 2))
    return gain.view(shape) * h + bias.view(shape)


def truncate(z: Tensor, threshold: float) -> Tensor:
    """Turn normal numbers into truncated normal ones in [-threshold, threshold], in their order."""
    low = torch.special.ndtr(torch.tensor(-threshold, dtype=torch.float64)).item()
    fraction = low + torch.special.ndtr(z.double()) * (1 - 2 * low)
    return torch.special.ndtri(fraction).clamp(-threshold, threshold).to(z)


class GeneratorNet(nn.Module):
    """What a `Generator` builds. It sets ``latent`` and ``style``, writes `synthesize`."""

    latent: nn.Module
    """From ``sites.latent(z_dim)``: (z, y) -> (N, W)."""

    style: nn.Module
    """From ``sites.style(z_dim)``: (z, y) -> (N, S), which every norm site receives."""

    def map(self, z: Tensor, y: Tensor) -> Latents:
        """Condition noise (N, Z) on labels: everything that the image depends on."""
        return Latents(self.latent(z, y), self.style(z, y))

    def synthesize(self, latents: Latents) -> Tensor:
        """Return images (N, C, H, W), black at -1, white at 1; drawing cuts what lies outside."""
        raise NotImplementedError

    def truncated(self, z: Tensor, y: Tensor, strength: float) -> Latents:
        """Condition noise so that images are nearer to the typical ones, and less various.

        By default of z between -strength and strength alone (Brock et al., 2019, arXiv:1809.11096,
        section 3.1). A network with an average style may draw towards it instead.
        """
        return self.map(truncate(z, strength), y)

    def forward(self, z: Tensor, y: Tensor, truncation: float | None = None) -> Tensor:
        latents = self.map(z, y) if truncation is None else self.truncated(z, y, truncation)
        return self.synthesize(latents)


class DiscriminatorNet(nn.Module):
    """What a `Discriminator` builds. It sets ``image`` and ``head``, writes `features`."""

    image: nn.Module
    """From ``sites.image()``: (x, y) -> (N, out_channels, H, W)."""

    head: nn.Module
    """From ``sites.head(features, plain)``: (h, y) -> `DiscriminatorOutput`."""

    def features(self, x: Tensor) -> Tensor:
        """Return (N, F) of images (N, out_channels, H, W)."""
        raise NotImplementedError

    def forward(self, x: Tensor, y: Tensor) -> DiscriminatorOutput:
        return self.head(self.features(self.image(x, y)), y)


class ExtractorNet(nn.Module):
    """What an `Extractor` loads."""

    id: str
    """Architecture, training data and hash of the weights: ``cnn1x3-mnist-3f9c1a2b3c4d``."""

    class_names: tuple[str, ...]
    """What its logits stand for, in their order."""

    has_logits: bool = True
    """False if it classifies nothing: its logits are (N, 0)."""

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return features (N, D) and logits (N, K), float32, of uint8 images (N, C, H, W)."""
        raise NotImplementedError


def dcgan_init(layer: Layer) -> Layer:
    """Initialise one layer as DCGAN does (arXiv:1511.06434) and return it.

    Weights of convolutions and linear layers N(0, 0.02), of normalisations N(1, 0.02), biases 0.
    """
    weight, bias = getattr(layer, "weight", None), getattr(layer, "bias", None)
    if weight is not None:
        nn.init.normal_(weight, 1.0 if isinstance(layer, _BatchNorm) else 0.0, 0.02)
    if bias is not None:
        nn.init.zeros_(bias)
    return layer
