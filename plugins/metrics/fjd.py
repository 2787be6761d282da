"""The Fréchet joint distance."""

from __future__ import annotations

import torch
from torch import Tensor

from ganlab import Metric, MetricInput, hookimpl, one_hot

from ._cache import cached
from ._frechet import Statistics, frechet, statistics
from ._inputs import checked_features


class FJD(Metric):
    """Fréchet distance of joint vectors [x, a onehot(c)] of features x and labels c.

    a = E|x| / E|onehot(c)| over the reference, where |onehot(c)| = 1. The distance measures image
    quality, diversity and label agreement together, and needs no minimum number of images per
    class.
    """

    name = "fjd"
    paper = "DeVries et al., 2019, arXiv:1907.08175"
    higher_is_better = False
    range = "0 and up"
    default_order = 4

    def compute(self, fake: MetricInput, real: MetricInput) -> dict[str, float]:
        fakes, reals = checked_features(fake, real, minimum=self.min_images)
        num_classes = 1 + int(max(fake.labels.max(), real.labels.max()))
        a = reals.norm(dim=1).mean()

        def joint(x: Tensor, labels: Tensor) -> Statistics:
            return statistics(
                torch.cat([x, a * one_hot(labels.cpu(), num_classes, dtype=x.dtype)], 1)
            )

        reference = cached(
            real.features, f"joint {num_classes}", lambda: joint(reals, real.labels), real.labels
        )
        return {"fjd": frechet(joint(fakes, fake.labels), reference)}


@hookimpl
def register_metrics() -> list[type[Metric]]:
    return [FJD]
