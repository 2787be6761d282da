"""Binary cross-entropy, non-saturating for G: the loss of the first GAN."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import softplus

from ganlab import Loss, hookimpl


class BCE(Loss):
    """D: -log D(x) - log(1 - D(G(z))). G: -log D(G(z)). D is the sigmoid of the logit."""

    name = "bce"
    paper = "Goodfellow et al., 2014, arXiv:1406.2661, section 3"

    def d(self, real: Tensor, fake: Tensor) -> Tensor:
        return softplus(-real) + softplus(fake)

    def g(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        return softplus(-fake)

    def shown(self, logit: Tensor) -> Tensor:
        return torch.sigmoid(logit)


@hookimpl
def register_losses() -> list[type[Loss]]:
    return [BCE]
