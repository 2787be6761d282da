"""The modules of InfoGAN: the latent codes of G and the network Q that predicts them."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ganlab import one_hot
from ganlab.nn import BatchNorm


def uniform(z: Tensor) -> Tensor:
    """Map standard normal numbers to numbers uniform on [-1, 1], elementwise."""
    return torch.erf(z / math.sqrt(2))


class Code(nn.Module):
    """(z (N, Z), y) -> (N, Z + K): the continuous codes, the other noise, the one-hot label."""

    def __init__(self, z_dim: int, num_classes: int, codes: int) -> None:
        super().__init__()
        self.num_classes, self.codes = num_classes, codes
        self.out_features = z_dim + num_classes

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        label = one_hot(y, self.num_classes, dtype=z.dtype)
        return torch.cat([uniform(z[:, : self.codes]), z[:, self.codes :], label], dim=1)


class Q(nn.Sequential):
    """(h (N, features), y) -> (N, outputs); y is ignored. The layers are those of appendix C.1."""

    def __init__(self, features: int, hidden: int, outputs: int) -> None:
        inner = [nn.Linear(features, hidden), BatchNorm(hidden), nn.LeakyReLU(0.1)]
        super().__init__(*inner, nn.Linear(hidden, outputs))

    def forward(self, h: Tensor, y: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(h)
