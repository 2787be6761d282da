"""Self-modulation: batch normalisation in G whose gain and bias depend on noise and label."""

from __future__ import annotations

import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from ganlab import Conditioning, DataSpec, Embed, hookimpl
from ganlab.nn import BatchNorm, modulate


class SelfModulation(Conditioning):
    """Compute the gain and bias of G's normalisation layers from the noise and the label.

    h -> (1 + gamma(z')) * (h - mean) / std + beta(z') with z' = z + E(y) + z * E'(y). gamma and
    beta are linear functions of one hidden layer max(0, U z' + b), which they share.
    """

    name = "self-modulation"
    paper = "Chen, Lucic, Houlsby & Gelly, 2019, arXiv:1810.01365, equations 2 to 4"

    hidden: PositiveInt = 32
    """Width of the hidden layer at each normalisation. 32 in the paper."""

    def style(self, z_dim: int, spec: DataSpec) -> nn.Module:
        return Style(z_dim, spec.num_classes)

    def norm(self, channels: int, style_dim: int, plain: nn.Module, spec: DataSpec) -> nn.Module:
        return Norm(channels, style_dim, self.hidden)


class Style(nn.Module):
    def __init__(self, z_dim: int, num_classes: int) -> None:
        super().__init__()
        self.out_features = z_dim
        # E(y) is initialised with the standard deviation of the noise.
        self.offset = Embed(num_classes, z_dim)
        self.scale = Embed(num_classes, z_dim, std=0.02)

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        return z + self.offset(y) + z * self.scale(y)


class Norm(nn.Module):
    def __init__(self, channels: int, style_dim: int, hidden: int) -> None:
        super().__init__()
        self.plain = BatchNorm(channels, affine=False)
        self.hidden = nn.Linear(style_dim, hidden)
        self.gamma = nn.Linear(hidden, channels)
        self.beta = nn.Linear(hidden, channels)
        for layer in (self.gamma, self.beta):
            nn.init.normal_(layer.weight, std=0.02)
            nn.init.zeros_(layer.bias)

    def forward(self, h: Tensor, style: Tensor) -> Tensor:
        inner = torch.relu(self.hidden(style))
        return modulate(self.plain(h), 1 + self.gamma(inner), self.beta(inner))


@hookimpl
def register_conditionings() -> list[type[Conditioning]]:
    return [SelfModulation]
