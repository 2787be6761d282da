"""Balanced consistency regularization: of D, on real and on generated images."""

from __future__ import annotations

from pydantic import Field
from torch import Tensor, nn

from ganlab import Penalty, Regularizer, Step, hookimpl
from ganlab.schedules import Weight

from ._shifts import flip_and_shift


class BalancedConsistency(Penalty):
    """D says the same of an image and of T(x), real or generated.

    real * E |D(x, y) - D(T(x), y)|^2 + fake * E |D(G(z, y), y) - D(T(G(z, y)), y)|^2. T mirrors
    half of the time and shifts by a few pixels.
    """

    name = "bcr"
    paper = "Zhao et al., 2021, arXiv:2002.04724, algorithm 1"

    real: Weight = 10.0
    """Weight of the term of real images."""

    fake: Weight = 10.0
    """Weight of the term of generated images."""

    flip: bool = True
    """T mirrors left to right half of the time: turn it off where mirroring changes the class."""

    shift: float = Field(default=0.125, ge=0, lt=0.5)
    """T's longest shift, as a share of the image's size."""

    def d_terms(self, step: Step, state: nn.Module | None) -> dict[str, Tensor]:
        terms = {}
        for name, batch, weight in (
            ("bcr_real", step.real, self.real),
            ("bcr_fake", step.fake, self.fake),
        ):
            changed = flip_and_shift(batch.x, step, flip=self.flip, shift=self.shift)
            difference = batch.output.logit - step.discriminate(changed, batch.y).logit
            terms[name] = step.now(weight) * difference.square().mean()
        return terms


@hookimpl
def register_regularizers() -> list[type[Regularizer]]:
    return [BalancedConsistency]
