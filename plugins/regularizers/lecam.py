"""The LeCam regularization for limited data."""

from __future__ import annotations

from typing import Any

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from ganlab import DataSpec, Penalty, Regularizer, Step, distributed, hookimpl
from ganlab.schedules import Weight


class LeCam(Penalty):
    """D's logits stay near the running mean of those of the other batch.

    weight * (E |D(x) - a_F|^2 + E |D(G(z)) - a_R|^2), where a_R and a_F are exponential moving
    averages of the batch means of D(x) and D(G(z)). ``one_sided`` punishes D(x) only above a_F and
    D(G(z)) only below a_R, as the authors' code does.
    """

    name = "lecam"
    paper = "Tseng et al., 2021, arXiv:2104.03310, equation 4"
    for_tests = {"start_steps": 1}

    weight: Weight = 0.3
    """Weight of the term: 0.3 for a hinge loss, far less where logits are large."""

    decay: float = Field(default=0.99, ge=0, lt=1)
    """Share of the old averages that each update of D keeps."""

    start_steps: PositiveInt = 1000
    """So many updates of D come first: until then the averages are those of the last batch."""

    one_sided: bool = False
    """Punish only logits that lie beyond the other batch's average."""

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
            kept = self.decay * (state.updates >= self.start_steps)
            for average, batch in ((state.real, step.real), (state.fake, step.fake)):
                mean = distributed.mean(batch.output.logit.mean())
                average.copy_(torch.lerp(mean, average, kept.to(average)))
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
