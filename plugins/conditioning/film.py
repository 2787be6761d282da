"""Feature-wise linear modulation in G."""

from __future__ import annotations

from torch import Tensor, nn

from ganlab import Conditioning, DataSpec, hookimpl
from ganlab.nn import modulate

from ._gains import Gains


class FiLM(Gains):
    """Apply a conditional gain and bias after each normalisation layer of G.

    h -> (1 + gamma(s)) * norm(h) + beta(s), where norm is G's own layer. s is the output of the
    style site, by default the one-hot label; gamma and beta are linear.
    """

    name = "film"
    paper = "Perez et al., 2018, arXiv:1709.07871, equation 2 (there 1 + gamma too)"

    def norm(self, channels: int, style_dim: int, plain: nn.Module, spec: DataSpec) -> nn.Module:
        linears = [self.linear(style_dim, channels, spec) for _ in range(2)]
        return Film(plain, *linears)


class Film(nn.Module):
    def __init__(self, plain: nn.Module, gamma: nn.Linear, beta: nn.Linear) -> None:
        super().__init__()
        self.plain = plain
        self.gamma, self.beta = gamma, beta

    def forward(self, h: Tensor, style: Tensor) -> Tensor:
        return modulate(self.plain(h), 1 + self.gamma(style), self.beta(style))


@hookimpl
def register_conditionings() -> list[type[Conditioning]]:
    return [FiLM]
