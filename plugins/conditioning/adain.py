"""Adaptive instance normalisation in G."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ganlab import Conditioning, DataSpec, hookimpl
from ganlab.nn import modulate

from ._gains import Gains


class AdaIN(Gains):
    """Replace G's normalisation layers by instance normalisation with conditional gain and bias.

    h -> (1 + gamma(s)) * (h - mu(h)) / sigma(h) + beta(s), where mu and sigma are taken over the
    pixels of each channel of each image. s is the output of the style site, by default the one-hot
    label; gamma and beta are linear. Features (N, C) without height and width are normalised over
    their C units.
    """

    name = "adain"
    paper = "Huang & Belongie, 2017, arXiv:1703.06868, equation 8; in G: Karras et al., 2019"

    def norm(self, channels: int, style_dim: int, plain: nn.Module, spec: DataSpec) -> nn.Module:
        return Norm(*(self.linear(style_dim, channels, spec) for _ in range(2)))


class Norm(nn.Module):
    def __init__(self, gamma: nn.Linear, beta: nn.Linear) -> None:
        super().__init__()
        self.gamma, self.beta = gamma, beta

    def forward(self, h: Tensor, style: Tensor) -> Tensor:
        dims = tuple(range(2, h.dim())) or (1,)
        variance, mean = torch.var_mean(h, dims, correction=0, keepdim=True)
        normalised = (h - mean) * (variance + 1e-5).rsqrt()
        return modulate(normalised, 1 + self.gamma(style), self.beta(style))


@hookimpl
def register_conditionings() -> list[type[Conditioning]]:
    return [AdaIN]
