"""Adaptive instance normalisation in G."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ganlab import Conditioning, DataSpec, hookimpl
from ganlab.nn import modulate


class AdaIN(Conditioning):
    """Replace G's normalisation layers by instance normalisation with conditional gain and bias.

    h -> (1 + gamma(s)) * (h - mu(h)) / sigma(h) + beta(s), where mu and sigma are taken over the
    pixels of each channel of each image. s is the output of the style site, by default the one-hot
    label; gamma and beta are linear. Features (N, C) without height and width are normalised over
    their C units.
    """

    name = "adain"
    paper = "Huang & Belongie, 2017, arXiv:1703.06868, equation 8; in G: Karras et al., 2019"

    def norm(self, channels: int, style_dim: int, plain: nn.Module, spec: DataSpec) -> nn.Module:
        return Norm(channels, style_dim)


class Norm(nn.Module):
    def __init__(self, channels: int, style_dim: int) -> None:
        super().__init__()
        self.gamma = nn.Linear(style_dim, channels)
        self.beta = nn.Linear(style_dim, channels)
        for layer in (self.gamma, self.beta):
            nn.init.normal_(layer.weight, std=0.02)
            nn.init.zeros_(layer.bias)

    def forward(self, h: Tensor, style: Tensor) -> Tensor:
        dims = tuple(range(2, h.dim())) or (1,)
        variance, mean = torch.var_mean(h, dims, correction=0, keepdim=True)
        normalised = (h - mean) * (variance + 1e-5).rsqrt()
        return modulate(normalised, 1 + self.gamma(style), self.beta(style))


@hookimpl
def register_conditionings() -> list[type[Conditioning]]:
    return [AdaIN]
