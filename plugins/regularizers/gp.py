"""The gradient penalty of WGAN-GP."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from ganlab import Penalty, Regularizer, Step, hookimpl, one_hot
from ganlab.schedules import Weight


class GradientPenalty(Penalty):
    """D's slope is 1 between real and generated images: weight * E (|grad_x D(x^, y)| - 1)^2.

    x^ = e x + (1 - e) G(z, y'), with e uniform in [0, 1) for each pair of images.
    """

    name = "gp"
    paper = "Gulrajani et al., 2017, arXiv:1704.00028, equation 3"

    weight: Weight = 10.0
    """Weight of the penalty."""

    target: float = Field(default=1.0, ge=0)
    """The slope that is not punished."""

    one_sided: bool = False
    """Punish only slopes above the target: max(0, |grad| - 1)^2."""

    labels: Literal["real", "fake", "mixed"] = "real"
    """D sees x^ with the label of its real image, of its generated one, or both in x^'s shares."""

    def d_terms(self, step: Step, state: nn.Module | None) -> dict[str, Tensor]:
        real, fake = step.real, step.fake
        share = step.rand(len(real.x), 1, 1, 1)
        x = share * real.x + (1 - share) * fake.x
        y = real.y if self.labels == "real" else fake.y
        if self.labels == "mixed":
            a, b = (one_hot(t, step.spec.num_classes, dtype=x.dtype) for t in (real.y, fake.y))
            y = torch.lerp(b, a, share.view(-1, 1))
        excess = step.input_gradient(x, y).flatten(1).norm(dim=1) - self.target
        if self.one_sided:
            excess = torch.relu(excess)
        return {"gp": step.now(self.weight) * excess.square().mean()}


@hookimpl
def register_regularizers() -> list[type[Regularizer]]:
    return [GradientPenalty]
