"""The data-copying test C_T."""

from __future__ import annotations

import math

import torch
from pydantic import PositiveInt
from torch import Tensor

from ganlab import Metric, MetricInput, hookimpl

from ._inputs import checked, checked_features, subsample
from ._neighbours import nearest

WARN_BELOW = -10.0


class DataCopying(Metric):
    """Mann-Whitney test of the distances of generated and held-out images to the training images.

    For each image the distance to its nearest reference image is computed, and
    Z = (U - nm/2) / sqrt(nm(n + m + 1) / 12). Z is about 0 if n generated images are as far from
    the training images as m held-out real images, negative if they are closer (data copying) and
    positive if they are farther. ``ct_closer`` = 1 - U / nm is the probability that a generated
    image is closer than a held-out image; unlike Z it does not grow with n. Ties count half, and
    the variance is not corrected for them. The reference must be the training set.

    The test covers the whole space at once, like the paper's test with a single cell. Copies of
    some images are therefore not detected if the other images are farther away than real ones, and
    a mode-collapsed generator near typical images looks like a copier. The metric warns if
    Z < -10.
    """

    name = "ct"
    paper = "Meehan et al., 2020, arXiv:2004.05675, section 3"
    range = "below and above 0"
    default_order = 11
    min_profile = "full"
    needs = ("held out",)

    images: PositiveInt = 5_000
    """Maximum number of images of each set, chosen evenly. Z grows with this number, so compare
    only values with the same setting."""

    def compute(self, fake: MetricInput, real: MetricInput) -> dict[str, float]:
        fakes, reals = checked_features(fake, real, minimum=self.min_images)
        if real.held_out is None:
            raise ValueError("there are no held-out real images to compare with")
        tests = checked(real.held_out.features, "held-out features", minimum=self.min_images)
        fake_distances, test_distances = (
            nearest(images[subsample(images, self.images)], reals)[1] for images in (fakes, tests)
        )
        n, m = len(fake_distances), len(test_distances)
        u = _mann_whitney(fake_distances, test_distances)
        z = (u - n * m / 2) / math.sqrt(n * m * (n + m + 1) / 12)
        return {"ct": z, "ct_closer": 1 - u / (n * m)}

    def flag(self, values: dict[str, float], baseline: dict[str, float]) -> str | None:
        return "memorizes" if values["ct"] < WARN_BELOW else None


def _mann_whitney(x: Tensor, y: Tensor) -> float:
    """Return U: the number of pairs of ``x`` (N,) and ``y`` (M,) with x > y; ties count half."""
    ordered = y.sort().values
    below = torch.searchsorted(ordered, x)
    not_above = torch.searchsorted(ordered, x, right=True)
    return float((below + not_above).sum()) / 2


@hookimpl
def register_metrics() -> list[type[Metric]]:
    return [DataCopying]
