"""The least-squares loss."""

from __future__ import annotations

from torch import Tensor

from ganlab import Loss, hookimpl


class LSGAN(Loss):
    """D: (D(x) - b)^2 / 2 + (D(G(z)) - a)^2 / 2. G: (D(G(z)) - c)^2 / 2. D(x) is the logit.

    If b - c = 1 and b - a = 2 (for example a = -1, b = 1, c = 0), G minimises the Pearson
    chi-squared divergence. The defaults are the 0-1 coding of equation 9.
    """

    name = "lsgan"
    paper = "Mao et al., 2017, arXiv:1611.04076, equation 2; defaults: equation 9"

    a: float = 0.0
    """D's target for generated images."""

    b: float = 1.0
    """D's target for real images."""

    c: float = 1.0
    """G's target for the logits of generated images."""

    def d(self, real: Tensor, fake: Tensor) -> Tensor:
        return ((real - self.b).square() + (fake - self.a).square()) / 2

    def g(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        return (fake - self.c).square() / 2


@hookimpl
def register_losses() -> list[type[Loss]]:
    return [LSGAN]
