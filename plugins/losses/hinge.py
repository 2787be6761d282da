"""The hinge loss."""

from __future__ import annotations

import torch
from torch import Tensor

from ganlab import Loss, hookimpl


class Hinge(Loss):
    """D: max(0, 1 - D(x)) + max(0, 1 + D(G(z))). G: -D(G(z)). D(x) is the logit."""

    name = "hinge"
    paper = (
        "Lim & Ye, 2017, arXiv:1705.02894; "
        "Miyato et al., 2018, arXiv:1802.05957, equations 16 and 17"
    )

    def d(self, real: Tensor, fake: Tensor) -> Tensor:
        return torch.relu(1 - real) + torch.relu(1 + fake)

    def g(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        return -fake


@hookimpl
def register_losses() -> list[type[Loss]]:
    return [Hinge]
