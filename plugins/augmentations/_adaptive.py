"""A strength that follows how much D overfits."""

from __future__ import annotations

from typing import Any

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from ganlab import Augmentation, DataSpec, Step, distributed


class Adaptive(Augmentation):
    """An augmentation with a probability p that rises while D is too sure of what is real.

    At every k-th update of D, p moves by k * N / images_to_full: up if r > target, else down. It
    stays within [0, 1].
    """

    p: float = Field(default=0.0, ge=0, le=1)
    """The probability at the start."""

    target: float | None = Field(default=0.6, gt=-1, lt=1)
    """The value of r that p is adapted to hold; null keeps p as it is."""

    adapt_every: PositiveInt = 4
    """Updates of D from one change of p to the next (k)."""

    images_to_full: PositiveInt = 500_000
    """Real images in which p can rise from 0 to 1; fewer for small experiments."""

    def overfitting(self, step: Step) -> Tensor:
        """Return r of this batch, 0-d: 1 if D knows every image, 0 if it guesses."""
        return step.real.output.logit.sign().mean()

    def state(self, spec: DataSpec) -> nn.Module:
        return Strength(self.p)

    def after_step(self, step: Step, state: Any) -> None:
        if step.role != "discriminator" or self.target is None:
            return
        state.r.add_(distributed.mean(self.overfitting(step)) / self.adapt_every)
        if (step.index + 1) % self.adapt_every == 0:
            batch_size = len(step.real.x) * distributed.world_size()
            speed = self.adapt_every * batch_size / self.images_to_full
            state.p.add_(speed * (state.r - self.target).sign()).clamp_(0, 1)
            step.log(f"{self.name}_r", state.r)
            state.r.zero_()
        step.log(f"{self.name}_p", state.p)


class Strength(nn.Module):
    def __init__(self, p: float) -> None:
        super().__init__()
        self.register_buffer("p", torch.tensor(p))
        self.register_buffer("r", torch.zeros(()))  # its mean since the last change, so far
