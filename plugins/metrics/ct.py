"""The data-copying test C_T."""

from __future__ import annotations

import math

import torch
from pydantic import PositiveInt
from torch import Tensor

from ganlab import Metric, MetricInput, hookimpl

from ._inputs import checked, checked_features, spread
from ._neighbours import nearest

WARN_BELOW = -10.0


class DataCopying(Metric):
    """Z of the Mann-Whitney U of distances to the nearest reference image: generated, held-out.

    Z = (U - nm/2) / sqrt(nm(n + m + 1) / 12). About 0 if generated images are as far from the
    training images as held-out real ones are, negative if they are closer, positive if farther.
    ``ct_closer`` = 1 - U / nm is the chance that a generated image is closer than a held-out one,
    and does not grow with n as Z does. Equal distances count half, and the variance is not
    corrected for them. The reference must be what the generator learned from.

    This is one test of the whole space, the paper's with a single cell: copies of some of the
    images can hide behind others that are farther away than real ones. Images that are all alike,
    close to typical ones, pass for copies. It warns if Z < -10.
    """

    name = "ct"
    paper = "Meehan et al., 2020, arXiv:2004.05675, section 3"
    range = "below and above 0"
    default_order = 11
    min_profile = "full"
    needs = ("held out",)

    images: PositiveInt = 5_000
    """Look at this many images of each set at most, evenly chosen: Z grows with their number."""

    def compute(self, fake: MetricInput, real: MetricInput) -> dict[str, float]:
        fakes, reals = checked_features(fake, real, minimum=self.min_images)
        if real.held_out is None:
            raise ValueError("there are no held-out real images to compare with")
        tests = checked(real.held_out.features, "held-out features", minimum=self.min_images)
        of_fakes, of_tests = (
            nearest(some[spread(some, self.images)], reals)[1] for some in (fakes, tests)
        )
        n, m = len(of_fakes), len(of_tests)
        above = _mann_whitney(of_fakes, of_tests)
        z = (above - n * m / 2) / math.sqrt(n * m * (n + m + 1) / 12)
        return {"ct": z, "ct_closer": 1 - above / (n * m)}

    def flag(self, values: dict[str, float], baseline: dict[str, float]) -> str | None:
        return "memorizes" if values["ct"] < WARN_BELOW else None


def _mann_whitney(x: Tensor, y: Tensor) -> float:
    """Return U: how many pairs of (N,) and (M,) have x > y, those with x = y counted half."""
    ordered = y.sort().values
    below = torch.searchsorted(ordered, x)
    not_above = torch.searchsorted(ordered, x, right=True)
    return float((below + not_above).sum()) / 2


@hookimpl
def register_metrics() -> list[type[Metric]]:
    return [DataCopying]
