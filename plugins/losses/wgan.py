"""The Wasserstein loss."""

from __future__ import annotations

from torch import Tensor

from ganlab import Loss, hookimpl


class WGAN(Loss):
    """D: -D(x) + D(G(z)). G: -D(G(z)). D(x) is the logit.

    The loss estimates the Wasserstein distance only if D is 1-Lipschitz. Add a regularizer that
    enforces this, such as ``gp`` or ``spectral-norm``, and use several D updates per G update
    (``train.d_steps``; the paper uses 5).
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
