"""Improved precision and recall."""

from __future__ import annotations

from pydantic import PositiveInt

from ganlab import Metric, MetricInput, hookimpl

from ._inputs import checked_features


class PrecisionRecall(Metric):
    """Precision and recall of the estimated manifolds; ``prc`` is their harmonic mean.

    The manifold of a set is the union of balls around its features; each ball reaches to the k-th
    nearest neighbour in the set. Precision is the fraction of generated images in the manifold of
    the reference, recall the fraction of reference images in the manifold of the generated images.
    Both depend on the number of images: use the same number in both sets.
    """

    name = "prc"
    paper = "Kynkäänniemi et al., 2019, arXiv:1904.06991, equation 2"
    higher_is_better = True
    range = "0 to 1"
    default_order = 7
    max_images = 5_000

    k: PositiveInt = 3
    """Radius of a ball: the distance to the k-th nearest neighbour. 3 in the paper."""

    @property
    def min_images(self) -> int:
        return self.k + 1

    def compute(self, fake: MetricInput, real: MetricInput) -> dict[str, float]:
        from torch_fidelity.metric_prc import (
            KEY_METRIC_F_SCORE,
            KEY_METRIC_PRECISION,
            KEY_METRIC_RECALL,
            prc_features_to_metric,
        )

        score = prc_features_to_metric(
            *checked_features(fake, real, minimum=self.min_images),
            prc_neighborhood=self.k,
            prc_batch_size=1000,
            save_cpu_ram=True,  # 1,000 rows of distances at a time, not all N x N
            verbose=False,
        )
        return {
            "prc": score[KEY_METRIC_F_SCORE],
            "precision": score[KEY_METRIC_PRECISION],
            "recall": score[KEY_METRIC_RECALL],
        }


@hookimpl
def register_metrics() -> list[type[Metric]]:
    return [PrecisionRecall]
