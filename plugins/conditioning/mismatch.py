"""Real images with a wrong label, which D must reject: GAN-CLS."""

from __future__ import annotations

from collections.abc import Callable

import torch
from pydantic import Field
from torch import Tensor, nn

from ganlab import Conditioning, Step, hookimpl


class Mismatch(Conditioning):
    """D also sees real images with a wrong label, which count as generated, by half.

    L_D = log s_r + (log(1 - s_w) + log(1 - s_f)) / 2 for the pairs real and right, real and wrong,
    generated. It needs a scheme beside it by which D's logit depends on the label.
    """

    name = "mismatch"
    paper = "Reed et al., 2016, arXiv:1605.05396, algorithm 1"

    calls_loss = True
    requires_sites = ("image", "head")

    weight: float = Field(default=0.5, ge=0, le=1)
    """Share of real images with a wrong label in what D must reject."""

    def adversarial(
        self, step: Step, plain: Callable[[], Tensor], state: nn.Module | None
    ) -> Tensor:
        if step.role == "generator":
            return plain()
        wrong = step.discriminate(step.real.x, other_labels(step, step.real.y)).logit
        mismatched = step.loss.d(step.real.output.logit, wrong)
        return (1 - self.weight) * plain() + self.weight * mismatched


def other_labels(step: Step, y: Tensor) -> Tensor:
    """Return labels of other classes, all equally likely; rows (N, K) are turned by as much."""
    k = step.spec.num_classes
    # A number below 1 times k - 1 may round up to k - 1.
    turn = 1 + (step.rand(len(y)) * (k - 1)).long().clamp(max=k - 2)
    if y.dim() == 1:
        return (y + turn) % k
    columns = torch.arange(k, device=y.device) - turn[:, None]
    return y.gather(1, columns % k)


@hookimpl
def register_conditionings() -> list[type[Conditioning]]:
    return [Mismatch]
