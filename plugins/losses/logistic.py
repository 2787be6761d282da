"""The non-saturating logistic loss, as StyleGAN calls it."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import softplus

from ganlab import Loss, hookimpl


class Logistic(Loss):
    """D: f(-D(x)) + f(D(G(z))). G: f(-D(G(z))). f(t) = log(1 + e^t), and D is the logit.

    The same numbers as ``bce``, under its other name; the log shows logits, not probabilities.
    """

    name = "logistic"
    paper = "Karras et al., 2019, arXiv:1812.04948, appendix C; Goodfellow et al., 2014"

    def d(self, real: Tensor, fake: Tensor) -> Tensor:
        return softplus(-real) + softplus(fake)

    def g(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        return softplus(-fake)


@hookimpl
def register_losses() -> list[type[Loss]]:
    return [Logistic]
