"""Weight clipping, as in the original WGAN."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor, nn

from ganlab import Regularizer, Step, hookimpl


class WeightClip(Regularizer):
    """Clip every parameter of D to [-limit, limit] after each D update."""

    name = "weight-clip"
    paper = "Arjovsky, Chintala & Bottou, 2017, arXiv:1701.07875, algorithm 1"

    limit: float = Field(default=0.01, gt=0)
    """Maximum absolute value of a parameter (c). 0.01 in the paper."""

    def after_step(self, step: Step, state: nn.Module | None) -> None:
        if step.role == "discriminator":
            weights: list[Tensor] = [p for p in step.D.parameters() if p.requires_grad]
            torch._foreach_clamp_min_(weights, -self.limit)
            torch._foreach_clamp_max_(weights, self.limit)


@hookimpl
def register_regularizers() -> list[type[Regularizer]]:
    return [WeightClip]
