"""The non-saturating logistic loss of StyleGAN."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import softplus

from ganlab import Loss, hookimpl


class Logistic(Loss):
    """D: f(-D(x)) + f(D(G(z))). G: f(-D(G(z))). f(t) = log(1 + e^t), and D(x) is the logit.

    The values and gradients equal those of ``bce`` without smoothing. The only difference is that
    the log shows D's logits here and probabilities there.
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
