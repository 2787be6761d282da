"""Building blocks for networks and conditioning schemes."""

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
    """A learned embedding (N, features) of labels; (N, K) rows give weighted sums of vectors."""

    def __init__(self, num_classes: int, features: int, *, std: float = 1.0) -> None:
        super().__init__()
        self.table = nn.Embedding(num_classes, features)
        nn.init.normal_(self.table.weight, std=std)

    def forward(self, y: Tensor) -> Tensor:
        return y.to(self.table.weight.dtype) @ self.table.weight if y.dim() == 2 else self.table(y)


class BatchNorm(_BatchNorm):
    """Batch normalization of (N, C) or (N, C, *) over all dimensions but the channels."""

    def _check_input_dim(self, input: Tensor) -> None:  # noqa: A002  (torch's own signature)
        if input.dim() < 2:
            raise ValueError(f"expected (N, C) or (N, C, *), got {tuple(input.shape)}")


def modulate(h: Tensor, gain: Tensor, bias: Tensor) -> Tensor:
    """Return ``gain * h + bias`` for h (N, C, *) and gain and bias (N, C)."""
    shape = (*gain.shape, *(1,) * (h.dim() - 2))
    return gain.view(shape) * h + bias.view(shape)


def truncate(z: Tensor, threshold: float) -> Tensor:
    """Map standard normal z to the normal distribution truncated to [-threshold, threshold].

    The map is monotonic, so the order of the numbers is kept.
    """
    low = torch.special.ndtr(torch.tensor(-threshold, dtype=torch.float64)).item()
    fraction = low + torch.special.ndtr(z.double()) * (1 - 2 * low)
    return torch.special.ndtri(fraction).clamp(-threshold, threshold).to(z)


class GeneratorNet(nn.Module):
    """Base class of the networks that a `Generator` builds.

    A subclass sets `latent` and `style` and implements `synthesize`.
    """

    latent: nn.Module
    """From ``sites.latent(z_dim)``: (z, y) -> (N, W)."""

    style: nn.Module
    """From ``sites.style(z_dim)``: (z, y) -> (N, S), the input of every norm site."""

    def map(self, z: Tensor, y: Tensor) -> Latents:
        """Return the latents of noise (N, Z) and labels; the image depends on nothing else."""
        return Latents(self.latent(z, y), self.style(z, y))

    def synthesize(self, latents: Latents) -> Tensor:
        """Return images (N, C, H, W): -1 is black, 1 is white. Drawing clips values outside."""
        raise NotImplementedError

    def truncated(self, z: Tensor, y: Tensor, strength: float) -> Latents:
        """Return latents of more typical and less diverse images.

        By default, z is truncated to [-strength, strength] (Brock et al., 2019, arXiv:1809.11096,
        section 3.1). A network with an average style may interpolate towards it instead.
        """
        return self.map(truncate(z, strength), y)

    def forward(self, z: Tensor, y: Tensor, truncation: float | None = None) -> Tensor:
        latents = self.map(z, y) if truncation is None else self.truncated(z, y, truncation)
        return self.synthesize(latents)


class DiscriminatorNet(nn.Module):
    """Base class of the networks that a `Discriminator` builds.

    A subclass sets `image` and `head` and implements `features`.
    """

    image: nn.Module
    """From ``sites.image()``: (x, y) -> (N, out_channels, H, W)."""

    head: nn.Module
    """From ``sites.head(features, plain)``: (h, y) -> `DiscriminatorOutput`."""

    def features(self, x: Tensor) -> Tensor:
        """Return features (N, F) of images (N, out_channels, H, W)."""
        raise NotImplementedError

    def forward(self, x: Tensor, y: Tensor) -> DiscriminatorOutput:
        return self.head(self.features(self.image(x, y)), y)


class ExtractorNet(nn.Module):
    """Base class of the networks that an `Extractor` loads."""

    id: str
    """Architecture, training data and hash of the weights: ``cnn1x3-mnist-3f9c1a2b3c4d``."""

    class_names: tuple[str, ...]
    """The names of the classes, in the order of the logits."""

    has_logits: bool = True
    """False if the network is not a classifier: its logits are (N, 0)."""

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return features (N, D) and logits (N, K), float32, of uint8 images (N, C, H, W)."""
        raise NotImplementedError


def dcgan_init(layer: Layer) -> Layer:
    """Initialize one layer like DCGAN (Radford et al., 2016, arXiv:1511.06434) and return it.

    Weights of convolutions and linear layers are drawn from N(0, 0.02), those of batch
    normalization from N(1, 0.02); biases are 0.
    """
    weight, bias = getattr(layer, "weight", None), getattr(layer, "bias", None)
    if weight is not None:
        nn.init.normal_(weight, 1.0 if isinstance(layer, _BatchNorm) else 0.0, 0.02)
    if bias is not None:
        nn.init.zeros_(bias)
    return layer
