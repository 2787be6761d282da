"""The base class of augmentations whose probability adapts to D's overfitting."""

from __future__ import annotations

from typing import Any

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from ganlab import Augmentation, DataSpec, Step, distributed


class Adaptive(Augmentation):
    """An augmentation with a probability p that increases while D overfits.

    After every k-th D update, p changes by k * N / images_to_full, where N is the batch size: it
    increases if the overfitting measure r exceeds the target and decreases otherwise. p stays in
    [0, 1].
    """

    p: float = Field(default=0.0, ge=0, le=1)
    """Initial probability, in [0, 1]. It stays constant if ``target`` is null."""

    target: float | None = Field(default=0.6, gt=-1, lt=1)
    """Target of the overfitting measure r: p increases while r is above it. null keeps p
    constant."""

    adapt_every: PositiveInt = 4
    """Number of D updates between two changes of p (k). 4 in the ADA paper."""

    images_to_full: PositiveInt = 500_000
    """Number of real images shown to D in which p can increase from 0 to 1. 500,000 in the
    papers; use fewer for short runs."""

    def overfitting(self, step: Step) -> Tensor:
        """Return the overfitting measure r of this batch, 0-d, in [-1, 1].

        r is 1 if every logit has the correct sign, and 0 if half of them do.
        """
        return step.real.output.logit.sign().mean()

    def state(self, spec: DataSpec) -> nn.Module:
        return Strength(self.p)

    def after_step(self, step: Step, state: Any) -> None:
        if step.role != "discriminator" or self.target is None:
            return
        state.r.add_(distributed.mean(self.overfitting(step)) / self.adapt_every)
        if (step.index + 1) % self.adapt_every == 0:
            batch_size = len(step.real.x) * distributed.world_size()
            change = self.adapt_every * batch_size / self.images_to_full
            state.p.add_(change * (state.r - self.target).sign()).clamp_(0, 1)
            step.log(f"{self.name}_r", state.r)
            state.r.zero_()
        step.log(f"{self.name}_p", state.p)


class Strength(nn.Module):
    def __init__(self, p: float) -> None:
        super().__init__()
        self.register_buffer("p", torch.tensor(p))
        self.register_buffer("r", torch.zeros(()))  # running sum of r / k since the last change
