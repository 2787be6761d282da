"""The gradient penalty of DRAGAN."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from torch import Tensor, nn

from ganlab import Penalty, Regularizer, Step, distributed, hookimpl
from ganlab.schedules import Weight


class DRAGAN(Penalty):
    """Keep the gradient norm of D near k around real images.

    weight * E (|grad_x D(x + d, y)| - k)^2. By default the noise d is that of the authors' code:
    d = a * scale * std(x) * u, where std(x) is taken over the whole batch, a ~ U[0, 1) is drawn for
    each image and u ~ U[0, 1) for each pixel. ``noise: normal`` is the Gaussian noise of the paper
    with the scale of the code: d ~ N(0, (scale * std(x))^2).
    """

    name = "dragan"
    paper = "Kodali et al., 2017, arXiv:1705.07215, section 2.4"

    weight: Weight = 10.0
    """Weight of the penalty (lambda): a number or a schedule. 10 in the paper."""

    k: float = Field(default=1.0, ge=0)
    """Target of the gradient norm."""

    scale: float = Field(default=0.5, gt=0)
    """Scale of the noise, relative to the standard deviation of the real batch."""

    noise: Literal["uniform", "normal"] = "uniform"
    """Distribution of the noise: ``uniform`` as in the authors' code, ``normal`` as in the
    paper."""

    def d_terms(self, step: Step, state: nn.Module | None) -> dict[str, Tensor]:
        x = step.real.x
        if self.noise == "uniform":
            noise = step.rand(len(x), 1, 1, 1) * step.rand(*x.shape)
        else:
            noise = step.randn(*x.shape)
        gradient = step.input_gradient(x + self.scale * distributed.std(x) * noise, step.real.y)
        deviation = gradient.flatten(1).norm(dim=1) - self.k
        return {"dragan": step.now(self.weight) * deviation.square().mean()}


@hookimpl
def register_regularizers() -> list[type[Regularizer]]:
    return [DRAGAN]
