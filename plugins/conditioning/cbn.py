"""Conditional batch normalisation in G."""

from __future__ import annotations

from torch import Tensor, nn

from ganlab import Conditioning, DataSpec, hookimpl
from ganlab.nn import BatchNorm, modulate

from ._gains import Gains


class ConditionalBatchNorm(Gains):
    """Replace G's normalisation layers by batch normalisation with conditional gain and bias.

    h -> (1 + gamma(s)) * (h - mean) / std + beta(s). s is the output of the style site, by default
    the one-hot label, which gives a gain and a bias per class; gamma and beta are linear.
    """

    name = "cbn"
    paper = "de Vries et al., 2017, arXiv:1707.00683, equation 4; in G: Miyato & Koyama, 2018"

    def norm(self, channels: int, style_dim: int, plain: nn.Module, spec: DataSpec) -> nn.Module:
        linears = [self.linear(style_dim, channels, spec, bias=False) for _ in range(2)]
        return Norm(channels, *linears)


class Norm(nn.Module):
    def __init__(self, channels: int, gamma: nn.Linear, beta: nn.Linear) -> None:
        super().__init__()
        self.plain = BatchNorm(channels, affine=False)
        self.gamma, self.beta = gamma, beta

    def forward(self, h: Tensor, style: Tensor) -> Tensor:
        return modulate(self.plain(h), 1 + self.gamma(style), self.beta(style))


@hookimpl
def register_conditionings() -> list[type[Conditioning]]:
    return [ConditionalBatchNorm]
