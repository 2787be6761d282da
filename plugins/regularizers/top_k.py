"""Top-k training of G."""

from __future__ import annotations

from collections.abc import Callable

import torch
from pydantic import field_validator
from torch import Tensor, nn

from ganlab import Regularizer, Step, distributed, hookimpl
from ganlab.schedules import Schedule, Weight


class TopK(Regularizer):
    """Train G only on the k generated images of each batch with the largest logits.

    G's loss is the mean over these k of its N images. k = share * N, rounded, and by default share
    decreases geometrically from 1 to 1/2. The paper multiplies k by gamma = 0.99 at each epoch, so
    that it reaches N / 2 after 69 epochs, or 3,450,000 images of CIFAR-10.
    """

    name = "top-k"
    paper = "Sinha et al., 2020, arXiv:2002.06224, equations 2 and 3"
    for_tests = {"share": 0.5}

    share: Weight = Schedule(1.0, 0.5, 3_450_000, "geometric")
    """Fraction k / N of the generated batch that G is trained on, above 0 and at most 1: a number
    or a schedule."""

    @field_validator("share")
    @classmethod
    def _is_a_share(cls, share: float | Schedule) -> float | Schedule:
        ends = (share.start, share.end) if isinstance(share, Schedule) else (share,)
        if not all(0 < end <= 1 for end in ends):
            raise ValueError("must be more than 0 and at most 1")
        return share

    def adversarial(
        self, step: Step, plain: Callable[[], Tensor], state: nn.Module | None
    ) -> Tensor:
        loss = plain()
        if step.role == "discriminator":
            return loss
        logits = distributed.gather(step.fake.output.logit.detach())
        n = len(logits)
        k = (step.now(self.share) * n).round().clamp(min=1)
        order = logits.argsort(descending=True, stable=True)
        rank = distributed.local(order.argsort())  # 0 for the largest logit
        return torch.where(rank < k, loss, 0) * (n / k)


@hookimpl
def register_regularizers() -> list[type[Regularizer]]:
    return [TopK]
