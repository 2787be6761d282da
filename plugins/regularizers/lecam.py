"""LeCam regularization, for training on limited data."""

from __future__ import annotations

from typing import Any

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from ganlab import DataSpec, Penalty, Regularizer, Step, distributed, hookimpl
from ganlab.schedules import Weight


class LeCam(Penalty):
    """Keep D's logits of real images near the moving average of generated images, and vice versa.

    weight * (E |D(x) - a_F|^2 + E |D(G(z)) - a_R|^2), where a_R and a_F are exponential moving
    averages of the batch means of D(x) and D(G(z)). With ``one_sided``, D(x) is penalised only
    above a_F and D(G(z)) only below a_R, as in the authors' code.
    """

    name = "lecam"
    paper = "Tseng et al., 2021, arXiv:2104.03310, equation 4"
    for_tests = {"start_steps": 1}

    weight: Weight = 0.3
    """Weight of the term (lambda): a number or a schedule. 0.3 is for the hinge loss; use a much
    smaller weight for losses with large logits."""

    decay: float = Field(default=0.99, ge=0, lt=1)
    """Decay of the moving averages at each D update: the fraction of the old value to keep."""

    start_steps: PositiveInt = 1000
    """Number of D updates before the term is added. During these updates the averages are the
    means of the latest batch."""

    one_sided: bool = False
    """Penalise only logits on the correct side of the other average: max(0, D(x) - a_F)^2 and
    max(0, a_R - D(G(z)))^2."""

    def state(self, spec: DataSpec) -> nn.Module:
        return Averages()

    def d_terms(self, step: Step, state: Any) -> dict[str, Tensor]:
        above = step.real.output.logit - state.fake
        below = state.real - step.fake.output.logit
        if self.one_sided:
            above, below = torch.relu(above), torch.relu(below)
        started = state.updates >= self.start_steps
        return {"lecam": step.now(self.weight) * started * (above.square() + below.square()).mean()}

    def after_step(self, step: Step, state: Any) -> None:
        if step.role == "discriminator":
            decay = self.decay * (state.updates >= self.start_steps)
            for average, batch in ((state.real, step.real), (state.fake, step.fake)):
                mean = distributed.mean(batch.output.logit.mean())
                average.copy_(torch.lerp(mean, average, decay.to(average)))
            state.updates.add_(1)


class Averages(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("real", torch.zeros(()))
        self.register_buffer("fake", torch.zeros(()))
        self.register_buffer("updates", torch.zeros((), dtype=torch.long))


@hookimpl
def register_regularizers() -> list[type[Regularizer]]:
    return [LeCam]
