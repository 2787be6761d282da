"""The kernel inception distance."""

from __future__ import annotations

from pydantic import Field, PositiveInt

from ganlab import Metric, MetricInput, hookimpl

from ._inputs import checked_features


class KID(Metric):
    """Unbiased squared MMD with the kernel (x . y / D + 1)^3, averaged over random subsets.

    The value can be slightly negative. ``kid_sd`` is the standard deviation over subsets, not the
    standard error of the mean. It is 0 for sets of exactly ``subset_size`` images, because all
    subsets are then equal.
    """

    name = "kid"
    paper = "Binkowski et al., 2018, arXiv:1801.01401, section 4"
    higher_is_better = False
    range = "about 0 and up"
    default_order = 6

    subsets: PositiveInt = 100
    """Number of random subsets, drawn with a fixed seed. 100 in the authors' code."""

    subset_size: int = Field(default=1000, ge=2)
    """Number of images of each set in a subset. Both sets must have at least this many images."""

    @property
    def min_images(self) -> int:
        return self.subset_size

    def compute(self, fake: MetricInput, real: MetricInput) -> dict[str, float]:
        from torch_fidelity.metric_kid import (
            KEY_METRIC_KID_MEAN,
            KEY_METRIC_KID_STD,
            kid_features_to_metric,
        )

        score = kid_features_to_metric(
            *checked_features(fake, real, minimum=self.min_images),
            kid_subsets=self.subsets,
            kid_subset_size=self.subset_size,
            verbose=False,
        )
        return {"kid": score[KEY_METRIC_KID_MEAN], "kid_sd": score[KEY_METRIC_KID_STD]}


@hookimpl
def register_metrics() -> list[type[Metric]]:
    return [KID]
