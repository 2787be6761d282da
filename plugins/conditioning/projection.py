"""The projection discriminator."""

from __future__ import annotations

from torch import Tensor, nn

from ganlab import Conditioning, DataSpec, Embed, hookimpl


class Projection(Conditioning):
    """Add the inner product of D's features and a learned class vector to D's logit.

    D(x, y) = psi(h) + v_y . h, where h are D's features and psi is the network's own last layer.
    """

    name = "projection"
    paper = "Miyato & Koyama, 2018, arXiv:1802.05637, equation 3"

    def head(self, features: int, plain: nn.Module, spec: DataSpec) -> nn.Module:
        return Head(features, plain, spec.num_classes)


class Head(nn.Module):
    def __init__(self, features: int, plain: nn.Module, num_classes: int) -> None:
        super().__init__()
        self.plain = plain
        self.embed = Embed(num_classes, features, std=0.02)

    def forward(self, h: Tensor, y: Tensor) -> Tensor:
        return self.plain(h).flatten() + (self.embed(y) * h).sum(1)


@hookimpl
def register_conditionings() -> list[type[Conditioning]]:
    return [Projection]
