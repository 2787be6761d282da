"""The saturating loss of the minimax game."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import softplus

from ganlab import Loss, hookimpl


class Minimax(Loss):
    """D: -log D(x) - log(1 - D(G(z))). G: log(1 - D(G(z))). D is the sigmoid of the logit.

    G's gradient vanishes where D is sure; ``bce`` is the loss with G's other half.
    """

    name = "minimax"
    paper = "Goodfellow et al., 2014, arXiv:1406.2661, equation 1"

    def d(self, real: Tensor, fake: Tensor) -> Tensor:
        return softplus(-real) + softplus(fake)

    def g(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        return -softplus(fake)

    def shown(self, logit: Tensor) -> Tensor:
        return torch.sigmoid(logit)


@hookimpl
def register_losses() -> list[type[Loss]]:
    return [Minimax]
