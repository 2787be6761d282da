"""Consistency regularization of D on real images."""

from __future__ import annotations

from pydantic import Field
from torch import Tensor, nn

from ganlab import Penalty, Regularizer, Step, hookimpl
from ganlab.schedules import Weight

from ._shifts import flip_and_shift


class ConsistencyRegularization(Penalty):
    """D says the same of a real image and of T(x): weight * E |D(x, y) - D(T(x), y)|^2.

    T mirrors half of the time and shifts by a few pixels.
    """

    name = "cr"
    paper = "Zhang et al., 2020, arXiv:1910.12027, equation 3"

    weight: Weight = 10.0
    """Weight of the term."""

    flip: bool = True
    """T mirrors left to right half of the time: turn it off where mirroring changes the class."""

    shift: float = Field(default=0.125, ge=0, lt=0.5)
    """T's longest shift, as a share of the image's size."""

    def d_terms(self, step: Step, state: nn.Module | None) -> dict[str, Tensor]:
        changed = flip_and_shift(step.real.x, step, flip=self.flip, shift=self.shift)
        difference = step.real.output.logit - step.discriminate(changed, step.real.y).logit
        return {"cr": step.now(self.weight) * difference.square().mean()}


@hookimpl
def register_regularizers() -> list[type[Regularizer]]:
    return [ConsistencyRegularization]
