"""Consistency regularization of D on real images."""

from __future__ import annotations

from pydantic import Field
from torch import Tensor, nn

from ganlab import Penalty, Regularizer, Step, hookimpl
from ganlab.schedules import Weight

from ._shifts import flip_and_shift


class ConsistencyRegularization(Penalty):
    """Penalise the change of D's logit when a real image is flipped and shifted.

    weight * E |D(x, y) - D(T(x), y)|^2, where T flips an image horizontally with probability 1/2
    and shifts it by a few pixels.
    """

    name = "cr"
    paper = "Zhang et al., 2020, arXiv:1910.12027, equation 3"

    weight: Weight = 10.0
    """Weight of the term (lambda): a number or a schedule. 10 in the paper."""

    flip: bool = True
    """Let T flip images horizontally with probability 1/2. Set it to false if a flip can change
    the class, as for digits."""

    shift: float = Field(default=0.125, ge=0, lt=0.5)
    """Maximum shift of T in each direction, as a fraction of the image size. The default is 4
    pixels at 32 x 32."""

    def d_terms(self, step: Step, state: nn.Module | None) -> dict[str, Tensor]:
        transformed = flip_and_shift(step.real.x, step, flip=self.flip, shift=self.shift)
        difference = step.real.output.logit - step.discriminate(transformed, step.real.y).logit
        return {"cr": step.now(self.weight) * difference.square().mean()}


@hookimpl
def register_regularizers() -> list[type[Regularizer]]:
    return [ConsistencyRegularization]
