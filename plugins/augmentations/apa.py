"""Adaptive pseudo augmentation."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

from ganlab import Augmentation, Batch, Step, hookimpl, one_hot

from ._adaptive import Adaptive


class APA(Adaptive):
    """Replace each image of the real batch by a generated one with an adaptive probability p.

    The generated image keeps its own label: with the label of the image that it replaces, it would
    teach D to ignore labels. p increases while r > target. r is E sign(D(x)) (``real``),
    -E sign(D(G(z))) (``fake``) or the mean of both (``both``).
    """

    name = "apa"
    paper = "Jiang et al., 2021, arXiv:2111.06849, equations 2 to 4"
    for_tests = {"p": 0.5, "adapt_every": 1, "images_to_full": 100}

    heuristic: Literal["real", "fake", "both"] = "real"
    """Overfitting measure r: lambda_r, lambda_f or lambda_rf of the paper."""

    def overfitting(self, step: Step) -> Tensor:
        real = step.real.output.logit.sign().mean()
        fake = -step.fake.output.logit.sign().mean()
        return {"real": real, "fake": fake, "both": (real + fake) / 2}[self.heuristic]

    def real_batch(self, step: Step, state: Any) -> Batch:
        real, fake = step.real, step.fake
        assert fake.z is not None
        # New images, so that no image is both a real and a generated example in one update.
        x = step.generate(step.randn(*fake.z.shape), fake.y)
        y, pseudo_y = real.y, fake.y
        if y.dim() != pseudo_y.dim():
            y, pseudo_y = (one_hot(t, step.spec.num_classes, dtype=x.dtype) for t in (y, pseudo_y))
        pseudo = step.rand(len(x)) < state.p
        return Batch(
            x=torch.where(pseudo.view(-1, 1, 1, 1), x, real.x),
            y=torch.where(pseudo if y.dim() == 1 else pseudo[:, None], pseudo_y, y),
        )


@hookimpl
def register_augmentations() -> list[type[Augmentation]]:
    return [APA]
