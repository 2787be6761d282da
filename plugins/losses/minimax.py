"""The saturating loss of the original minimax game."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import softplus

from ganlab import Loss, hookimpl


class Minimax(Loss):
    """D: -log D(x) - log(1 - D(G(z))). G: log(1 - D(G(z))). D(x) is the sigmoid of the logit.

    G's gradient vanishes when D rejects generated images with confidence. ``bce`` has the same
    loss for D and the non-saturating loss for G.
    """

    name = "minimax"
    paper = "Goodfellow et al., 2014, arXiv:1406.2661, equation 1"

    smoothing: float = Field(default=0.0, ge=0, lt=1)
    """One-sided label smoothing: D's target for real images is 1 - ``smoothing``. 0 turns it off.
    Salimans et al., 2016, arXiv:1606.03498, section 3.4, use 0.1."""

    def d(self, real: Tensor, fake: Tensor) -> Tensor:
        # (1 - s) softplus(-real) + s softplus(real) = softplus(-real) + s real
        return softplus(-real) + self.smoothing * real + softplus(fake)

    def g(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        return -softplus(fake)

    def logged_output(self, logit: Tensor) -> Tensor:
        return torch.sigmoid(logit)


@hookimpl
def register_losses() -> list[type[Loss]]:
    return [Minimax]
