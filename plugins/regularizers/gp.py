"""The gradient penalty of WGAN-GP."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from ganlab import Penalty, Regularizer, Step, hookimpl, one_hot
from ganlab.schedules import Weight


class GradientPenalty(Penalty):
    """Keep the gradient norm of D near 1 between real and generated images.

    weight * E (|grad_x D(x^, y)| - target)^2 at x^ = e x + (1 - e) G(z, y'), where e ~ U[0, 1) is
    drawn for each pair of images.
    """

    name = "gp"
    paper = "Gulrajani et al., 2017, arXiv:1704.00028, equation 3"

    weight: Weight = 10.0
    """Weight of the penalty (lambda): a number or a schedule. 10 in the paper."""

    target: float = Field(default=1.0, ge=0)
    """Target of the gradient norm. 1 in the paper: D is then close to 1-Lipschitz."""

    one_sided: bool = False
    """Penalise only gradient norms above the target: max(0, |grad_x D| - target)^2."""

    labels: Literal["real", "fake", "mixed"] = "real"
    """Label y of x^: that of the real image, that of the generated image, or their mixture
    e y + (1 - e) y' as a row of class weights."""

    def d_terms(self, step: Step, state: nn.Module | None) -> dict[str, Tensor]:
        real, fake = step.real, step.fake
        share = step.rand(len(real.x), 1, 1, 1)
        x = share * real.x + (1 - share) * fake.x
        y = real.y if self.labels == "real" else fake.y
        if self.labels == "mixed":
            a, b = (one_hot(t, step.spec.num_classes, dtype=x.dtype) for t in (real.y, fake.y))
            y = torch.lerp(b, a, share.view(-1, 1))
        deviation = step.input_gradient(x, y).flatten(1).norm(dim=1) - self.target
        if self.one_sided:
            deviation = torch.relu(deviation)
        return {"gp": step.now(self.weight) * deviation.square().mean()}


@hookimpl
def register_regularizers() -> list[type[Regularizer]]:
    return [GradientPenalty]
