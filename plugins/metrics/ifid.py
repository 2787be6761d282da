"""The intra-class Fréchet distance."""

from __future__ import annotations

from torch import Tensor

from ganlab import Metric, MetricInput, hookimpl

from ._cache import cached
from ._frechet import Statistics, frechet, statistics
from ._inputs import checked_features


class IntraFID(Metric):
    """Mean over classes of the FID between generated and reference images of the same class.

    ``ifid_worst`` is the largest FID of a class. The classes are those that occur in either set.
    The metric cannot be computed if a class has fewer than two images in a set, because they have
    no covariance.
    """

    name = "ifid"
    paper = "Miyato & Koyama, 2018, arXiv:1802.05637 (intra FID)"
    higher_is_better = False
    range = "0 and up"
    default_order = 3

    def compute(self, fake: MetricInput, real: MetricInput) -> dict[str, float]:
        fakes, reals = checked_features(fake, real, minimum=self.min_images)
        generated = _by_class(fakes, fake.labels.cpu())
        reference = cached(
            real.features, "by class", lambda: _by_class(reals, real.labels.cpu()), real.labels
        )
        distances = []
        for c in sorted(generated.keys() | reference.keys()):
            counts = [classes.get(c, EMPTY)[0] for classes in (generated, reference)]
            if min(counts) < 2:
                raise ValueError(
                    f"class {c} has {counts[0]:,} generated and {counts[1]:,} reference "
                    "images: at least 2 of each are needed"
                )
            distances.append(frechet(generated[c][1], reference[c][1]))
        return {"ifid": sum(distances) / len(distances), "ifid_worst": max(distances)}


EMPTY: tuple[int, Statistics] = (0, {})


def _by_class(features: Tensor, labels: Tensor) -> dict[int, tuple[int, Statistics]]:
    """Return class -> (number of images, statistics), from features (N, D) and labels (N,).

    The statistics of a class with a single image are empty.
    """
    classes = {c: features[labels == c] for c in labels.unique().tolist()}
    return {
        c: (len(rows), statistics(rows) if len(rows) > 1 else {}) for c, rows in classes.items()
    }


@hookimpl
def register_metrics() -> list[type[Metric]]:
    return [IntraFID]
