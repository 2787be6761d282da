"""Concatenation: the label as further inputs of both networks."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ganlab import Conditioning, DataSpec, hookimpl, one_hot


class Concat(Conditioning):
    """One-hot labels beside G's noise, and one constant plane per class beside D's image."""

    name = "concat"
    paper = "Mirza & Osindero, 2014, arXiv:1411.1784, figure 1"

    def latent(self, z_dim: int, spec: DataSpec) -> nn.Module:
        return Beside(z_dim, spec.num_classes)

    def image(self, channels: int, spec: DataSpec) -> nn.Module:
        return Planes(channels, spec.num_classes)


class Beside(nn.Module):
    def __init__(self, z_dim: int, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.out_features = z_dim + num_classes

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        return torch.cat([z, one_hot(y, self.num_classes, dtype=z.dtype)], dim=1)


class Planes(nn.Module):
    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.out_channels = channels + num_classes

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        planes = one_hot(y, self.num_classes, dtype=x.dtype)[:, :, None, None]
        return torch.cat([x, planes.expand(-1, -1, *x.shape[2:])], dim=1)


@hookimpl
def register_conditionings() -> list[type[Conditioning]]:
    return [Concat]
