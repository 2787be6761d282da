"""The R2 penalty."""

from __future__ import annotations

from torch import Tensor, nn

from ganlab import Penalty, Regularizer, Step, hookimpl
from ganlab.schedules import Weight


class R2(Penalty):
    """Penalise D's squared gradient at generated images: gamma / 2 * E |grad_x D(G(z, y), y)|^2."""

    name = "r2"
    paper = "Mescheder, Geiger & Nowozin, 2018, arXiv:1801.04406, equation 10"

    gamma: Weight = 10.0
    """Weight of the penalty: a number or a schedule. 10 in the paper; the best value depends on
    the dataset and the resolution."""

    def d_terms(self, step: Step, state: nn.Module | None) -> dict[str, Tensor]:
        gradient = step.input_gradient(step.fake.x, step.fake.y)
        return {"r2": step.now(self.gamma) / 2 * gradient.square().flatten(1).sum(1).mean()}


@hookimpl
def register_regularizers() -> list[type[Regularizer]]:
    return [R2]
