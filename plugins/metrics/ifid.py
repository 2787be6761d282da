"""The intra-class Fréchet distance."""

from __future__ import annotations

from torch import Tensor

from ganlab import Metric, MetricInput, hookimpl

from ._frechet import Statistics, frechet, statistics
from ._inputs import checked_features
from ._memory import remembered


class IntraFID(Metric):
    """Mean over classes c of FID(generated for c, reference of c); ``ifid_worst`` is the largest.

    The classes are those that occur in either set. One with fewer than two images in a set has no
    covariance there, and raises ValueError.
    """

    name = "ifid"
    paper = "Miyato & Koyama, 2018, arXiv:1802.05637 (intra FID)"
    higher_is_better = False
    range = "0 and up"
    default_order = 3

    def compute(self, fake: MetricInput, real: MetricInput) -> dict[str, float]:
        fakes, reals = checked_features(fake, real, minimum=self.min_images)
        generated = _by_class(fakes, fake.labels.cpu())
        reference = remembered(
            real.features, "by class", lambda: _by_class(reals, real.labels.cpu()), real.labels
        )
        distances = []
        for c in sorted(generated.keys() | reference.keys()):
            counts = [of.get(c, NOTHING)[0] for of in (generated, reference)]
            if min(counts) < 2:
                raise ValueError(
                    f"class {c} has {counts[0]:,} generated and {counts[1]:,} reference "
                    "images: at least 2 of each are needed"
                )
            distances.append(frechet(generated[c][1], reference[c][1]))
        return {"ifid": sum(distances) / len(distances), "ifid_worst": max(distances)}


NOTHING: tuple[int, Statistics] = (0, {})


def _by_class(features: Tensor, labels: Tensor) -> dict[int, tuple[int, Statistics]]:
    """Return for each class how many of the features (N, D) it has, and their statistics."""
    classes = {c: features[labels == c] for c in labels.unique().tolist()}
    return {c: (len(own), statistics(own) if len(own) > 1 else {}) for c, own in classes.items()}


@hookimpl
def register_metrics() -> list[type[Metric]]:
    return [IntraFID]
