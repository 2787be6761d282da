"""The gradient penalty of DRAGAN."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from torch import Tensor, nn

from ganlab import Penalty, Regularizer, Step, distributed, hookimpl
from ganlab.schedules import Weight


class DRAGAN(Penalty):
    """D's slope is k around real images: weight * E (|grad_x D(x + d, y)| - k)^2.

    As in the authors' code, d = a * scale * std(x) * u: std(x) over the whole batch, a uniform in
    [0, 1) for each image, u for each pixel uniform in [0, 1). ``noise: normal`` is the noise of the
    paper in the scale of the code, d ~ N(0, (scale * std(x))^2).
    """

    name = "dragan"
    paper = "Kodali et al., 2017, arXiv:1705.07215, section 2.4"

    weight: Weight = 10.0
    """Weight of the penalty."""

    k: float = Field(default=1.0, ge=0)
    """The slope that is not punished."""

    scale: float = Field(default=0.5, gt=0)
    """Size of the noise in standard deviations of the images."""

    noise: Literal["uniform", "normal"] = "uniform"
    """Distribution of the noise."""

    def d_terms(self, step: Step, state: nn.Module | None) -> dict[str, Tensor]:
        x = step.real.x
        if self.noise == "uniform":
            noise = step.rand(len(x), 1, 1, 1) * step.rand(*x.shape)
        else:
            noise = step.randn(*x.shape)
        gradient = step.input_gradient(x + self.scale * distributed.std(x) * noise, step.real.y)
        excess = gradient.flatten(1).norm(dim=1) - self.k
        return {"dragan": step.now(self.weight) * excess.square().mean()}


@hookimpl
def register_regularizers() -> list[type[Regularizer]]:
    return [DRAGAN]
