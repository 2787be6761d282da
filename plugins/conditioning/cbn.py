"""Conditional batch normalisation in G."""

from __future__ import annotations

from torch import Tensor, nn

from ganlab import Conditioning, DataSpec, hookimpl
from ganlab.nn import BatchNorm, modulate


class ConditionalBatchNorm(Conditioning):
    """Replace G's normalisation layers by batch normalisation with conditional gain and bias.

    h -> (1 + gamma(s)) * (h - mean) / std + beta(s). s is the output of the style site, by default
    the one-hot label, which gives a gain and a bias per class; gamma and beta are linear.
    """

    name = "cbn"
    paper = "de Vries et al., 2017, arXiv:1707.00683, equation 4; in G: Miyato & Koyama, 2018"

    def norm(self, channels: int, style_dim: int, plain: nn.Module, spec: DataSpec) -> nn.Module:
        return Norm(channels, style_dim)


class Norm(nn.Module):
    def __init__(self, channels: int, style_dim: int) -> None:
        super().__init__()
        self.plain = BatchNorm(channels, affine=False)
        self.gamma = nn.Linear(style_dim, channels, bias=False)
        self.beta = nn.Linear(style_dim, channels, bias=False)
        for layer in (self.gamma, self.beta):
            nn.init.normal_(layer.weight, std=0.02)

    def forward(self, h: Tensor, style: Tensor) -> Tensor:
        return modulate(self.plain(h), 1 + self.gamma(style), self.beta(style))


@hookimpl
def register_conditionings() -> list[type[Conditioning]]:
    return [ConditionalBatchNorm]
