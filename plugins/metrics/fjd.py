"""The Fréchet joint distance."""

from __future__ import annotations

import torch

from ganlab import Evidence, Metric, hookimpl, one_hot

from ._frechet import frechet
from ._inputs import checked_features


class FJD(Metric):
    """The Fréchet distance of [x, a onehot(c)], a = E|x| / E|onehot(c)| over the reference.

    x are features and c the labels of the same images, so that it sees quality, variety and
    obedience to labels at once, and needs no minimum of images in each class. |onehot(c)| is 1.
    """

    name = "fjd"
    paper = "DeVries et al., 2019, arXiv:1907.08175"
    higher_is_better = False
    range = "0 and up"
    default = 4

    def compute(self, fake: Evidence, real: Evidence) -> dict[str, float]:
        features = checked_features(fake, real, minimum=self.minimum)
        labels = [fake.labels.cpu(), real.labels.cpu()]
        num_classes = 1 + int(torch.cat(labels).max())
        a = features[1].norm(dim=1).mean()
        joint = [
            torch.cat([x, a * one_hot(c, num_classes, dtype=x.dtype)], 1)
            for x, c in zip(features, labels, strict=True)
        ]
        return {"fjd": frechet(*joint)}


@hookimpl
def register_metrics() -> list[type[Metric]]:
    return [FJD]
