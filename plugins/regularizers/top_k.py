"""Top-k training of G."""

from __future__ import annotations

from collections.abc import Callable

import torch
from pydantic import field_validator
from torch import Tensor, nn

from ganlab import Regularizer, Step, distributed, hookimpl
from ganlab.schedules import Schedule, Weight


class TopK(Regularizer):
    """G learns only from the k images of a batch that D finds most real.

    G's loss is the mean over those of its N images with the k largest logits; k = share * N falls
    geometrically from N to half of it. In the paper k shrinks by gamma = 0.99 at each epoch, which
    takes 69 epochs: 3,450,000 images of CIFAR-10.
    """

    name = "top-k"
    paper = "Sinha et al., 2020, arXiv:2002.06224, equations 2 and 3"
    for_tests = {"share": 0.5}

    share: Weight = Schedule(1.0, 0.5, 3_450_000, "geometric")
    """Share of the batch that G learns from: a number, or a schedule as is the default."""

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
        place = distributed.local(order.argsort())  # 0 for the image that D finds most real
        return torch.where(place < k, loss, 0) * (n / k)


@hookimpl
def register_regularizers() -> list[type[Regularizer]]:
    return [TopK]
