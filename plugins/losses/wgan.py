"""The Wasserstein loss."""

from __future__ import annotations

from torch import Tensor

from ganlab import Loss, hookimpl


class WGAN(Loss):
    """D: -D(x) + D(G(z)). G: -D(G(z)). D is the logit.

    It estimates a distance only while D is 1-Lipschitz: name a regularizer that sees to it, such
    as a gradient penalty or spectral normalisation, and several D updates for each of G.
    """

    name = "wgan"
    paper = "Arjovsky, Chintala & Bottou, 2017, arXiv:1701.07875, equation 3 and algorithm 1"

    def d(self, real: Tensor, fake: Tensor) -> Tensor:
        return fake - real

    def g(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        return -fake


@hookimpl
def register_losses() -> list[type[Loss]]:
    return [WGAN]
