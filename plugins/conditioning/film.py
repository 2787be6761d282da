"""Feature-wise linear modulation in G."""

from __future__ import annotations

from torch import Tensor, nn

from ganlab import Conditioning, DataSpec, hookimpl
from ganlab.nn import modulate


class FiLM(Conditioning):
    """Apply a conditional gain and bias after each normalisation layer of G.

    h -> (1 + gamma(s)) * norm(h) + beta(s), where norm is G's own layer. s is the output of the
    style site, by default the one-hot label; gamma and beta are linear.
    """

    name = "film"
    paper = "Perez et al., 2018, arXiv:1709.07871, equation 2 (there 1 + gamma too)"

    def norm(self, channels: int, style_dim: int, plain: nn.Module, spec: DataSpec) -> nn.Module:
        return Film(channels, style_dim, plain)


class Film(nn.Module):
    def __init__(self, channels: int, style_dim: int, plain: nn.Module) -> None:
        super().__init__()
        self.plain = plain
        self.gamma = nn.Linear(style_dim, channels)
        self.beta = nn.Linear(style_dim, channels)
        for layer in (self.gamma, self.beta):
            nn.init.normal_(layer.weight, std=0.02)
            nn.init.zeros_(layer.bias)

    def forward(self, h: Tensor, style: Tensor) -> Tensor:
        return modulate(self.plain(h), 1 + self.gamma(style), self.beta(style))


@hookimpl
def register_conditionings() -> list[type[Conditioning]]:
    return [FiLM]
