"""Concatenation of the label to the inputs of both networks."""

from __future__ import annotations

import torch
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor, nn

from ganlab import Conditioning, DataSpec, Embed, hookimpl, one_hot


class Concat(Conditioning):
    """Concatenate the label to G's noise and, as constant planes, to D's image.

    G(z, y) = G([z, c(y)]) and D(x, y) = D([x, c(y)]), where c(y) is the one-hot label or a learned
    vector. In D each element of c(y) becomes one further channel.
    """

    name = "concat"
    paper = "Mirza & Osindero, 2014, arXiv:1411.1784, figure 1"

    embedding: PositiveInt | None = None
    """Length of a learned vector per class that replaces the one-hot label. G and D learn separate
    vectors. null: one-hot."""

    std: PositiveFloat = 1.0
    """Standard deviation of the initial learned vectors. The default is that of the noise; R3GAN's
    authors use 1 / sqrt(number of classes). It has no effect on one-hot labels."""

    def latent(self, z_dim: int, spec: DataSpec) -> nn.Module:
        return ConcatLatent(z_dim, Code(spec.num_classes, self.embedding, std=self.std))

    def image(self, channels: int, spec: DataSpec) -> nn.Module:
        return ConcatImage(channels, Code(spec.num_classes, self.embedding, std=self.std))


class Code(nn.Module):
    """y -> c(y) (N, size): one-hot, or a learned vector if ``embedding`` is given."""

    def __init__(self, num_classes: int, embedding: int | None, *, std: float) -> None:
        super().__init__()
        self.size = embedding or num_classes
        self.embed = Embed(num_classes, embedding, std=std) if embedding else None

    def forward(self, y: Tensor, dtype: torch.dtype) -> Tensor:
        return self.embed(y).to(dtype) if self.embed else one_hot(y, self.size, dtype=dtype)


class ConcatLatent(nn.Module):
    def __init__(self, z_dim: int, code: Code) -> None:
        super().__init__()
        self.code = code
        self.out_features = z_dim + code.size

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        return torch.cat([z, self.code(y, z.dtype)], dim=1)


class ConcatImage(nn.Module):
    def __init__(self, channels: int, code: Code) -> None:
        super().__init__()
        self.code = code
        self.out_channels = channels + code.size

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        planes = self.code(y, x.dtype)[:, :, None, None]
        return torch.cat([x, planes.expand(-1, -1, *x.shape[2:])], dim=1)


@hookimpl
def register_conditionings() -> list[type[Conditioning]]:
    return [Concat]
