"""GAN-CLS: D must also reject real images with a wrong label."""

from __future__ import annotations

from collections.abc import Callable

import torch
from pydantic import Field
from torch import Tensor, nn

from ganlab import Conditioning, Step, hookimpl


class Mismatch(Conditioning):
    """Train D to reject real images with a wrong label, in addition to generated images.

    D maximises log s_r + (log(1 - s_w) + log(1 - s_f)) / 2, where s_r is D's output for real images
    with the right label, s_w for real images with a wrong label and s_f for generated images.
    Combine it with a scheme that makes D's logit depend on the label.
    """

    name = "mismatch"
    paper = "Reed et al., 2016, arXiv:1605.05396, algorithm 1"

    calls_loss = True
    requires_sites = ("image", "head")

    weight: float = Field(default=0.5, ge=0, le=1)
    """Weight of wrongly labelled real images relative to generated images, from 0 to 1. 0.5 in the
    paper."""

    def adversarial(
        self, step: Step, plain: Callable[[], Tensor], state: nn.Module | None
    ) -> Tensor:
        if step.role == "generator":
            return plain()
        wrong = step.discriminate(step.real.x, other_labels(step, step.real.y)).logit
        mismatched = step.loss.d(step.real.output.logit, wrong)
        return (1 - self.weight) * plain() + self.weight * mismatched


def other_labels(step: Step, y: Tensor) -> Tensor:
    """Return labels like ``y``, (N,) or (N, K), of other classes, all equally likely.

    The class index is shifted by a random number from 1 to K - 1, modulo K. Rows (N, K) are rolled
    by this number.
    """
    k = step.spec.num_classes
    # A number below 1 times k - 1 may round up to k - 1.
    shift = 1 + (step.rand(len(y)) * (k - 1)).long().clamp(max=k - 2)
    if y.dim() == 1:
        return (y + shift) % k
    columns = torch.arange(k, device=y.device) - shift[:, None]
    return y.gather(1, columns % k)


@hookimpl
def register_conditionings() -> list[type[Conditioning]]:
    return [Mismatch]
