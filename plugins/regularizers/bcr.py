"""Balanced consistency regularization of D, on real and generated images."""

from __future__ import annotations

from pydantic import Field
from torch import Tensor, nn

from ganlab import Penalty, Regularizer, Step, hookimpl
from ganlab.schedules import Weight

from ._shifts import flip_and_shift


class BalancedConsistency(Penalty):
    """Penalise the change of D's logit when a real or generated image is flipped and shifted.

    real * E |D(x, y) - D(T(x), y)|^2 + fake * E |D(G(z, y), y) - D(T(G(z, y)), y)|^2, where T
    flips an image horizontally with probability 1/2 and shifts it by a few pixels.
    """

    name = "bcr"
    paper = "Zhao et al., 2021, arXiv:2002.04724, algorithm 1"

    real: Weight = 10.0
    """Weight of the term on real images (lambda_real): a number or a schedule. 10 in the paper."""

    fake: Weight = 10.0
    """Weight of the term on generated images (lambda_fake): a number or a schedule. 10 in the
    paper."""

    flip: bool = True
    """Let T flip images horizontally with probability 1/2. Set it to false if a flip can change
    the class, as for digits."""

    shift: float = Field(default=0.125, ge=0, lt=0.5)
    """Maximum shift of T in each direction, as a fraction of the image size. The default is 4
    pixels at 32 x 32."""

    def d_terms(self, step: Step, state: nn.Module | None) -> dict[str, Tensor]:
        terms = {}
        for name, batch, weight in (
            ("bcr_real", step.real, self.real),
            ("bcr_fake", step.fake, self.fake),
        ):
            transformed = flip_and_shift(batch.x, step, flip=self.flip, shift=self.shift)
            difference = batch.output.logit - step.discriminate(transformed, batch.y).logit
            terms[name] = step.now(weight) * difference.square().mean()
        return terms


@hookimpl
def register_regularizers() -> list[type[Regularizer]]:
    return [BalancedConsistency]
