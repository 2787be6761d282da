"""Density and coverage."""

from __future__ import annotations

import torch
from pydantic import PositiveInt

from ganlab import Metric, MetricInput, hookimpl

from ._inputs import checked_features

ROWS = 500  # reference images per block: 40 MB of distances to 10,000 images
TIE = 1 - 1e-9  # keeps a copy at exactly the radius outside, despite rounding errors


class DensityCoverage(Metric):
    """Coverage 1/N sum_i [any f_j in B(r_i)] and density 1/(kM) sum_j sum_i [f_j in B(r_i)].

    f_j are the features of M generated images and r_i those of N reference images. B(r_i) is the
    open ball around r_i that reaches to its k-th nearest neighbour in the reference. For a perfect
    model the expected coverage is 1 - 2^-k and the expected density is 1. Density can exceed 1.
    """

    name = "coverage"
    paper = "Naeem et al., 2020, arXiv:2002.09797, equations 3 and 4"
    higher_is_better = True
    range = "0 to 1"
    default_order = 8
    max_images = 5_000

    k: PositiveInt = 5
    """Radius of a ball: the distance to the k-th nearest neighbour. 5 in the paper."""

    @property
    def min_images(self) -> int:
        return self.k + 1

    def compute(self, fake: MetricInput, real: MetricInput) -> dict[str, float]:
        fakes, reals = checked_features(fake, real, minimum=self.min_images)
        # cdist subtracts large products: float32 would lose short distances.
        fakes, reals = fakes.double(), reals.double()
        inside = covered = 0
        for centres in reals.split(ROWS):
            # (B, N) -> (B, 1); k + 1, because the nearest point is the centre itself
            radii = torch.cdist(centres, reals).topk(self.k + 1, largest=False).values[:, -1:]
            hits = torch.cdist(centres, fakes) < radii * TIE  # (B, M)
            inside += int(hits.sum())
            covered += int(hits.any(1).sum())
        return {
            "coverage": covered / len(reals),
            "density": inside / (self.k * len(fakes)),
        }


@hookimpl
def register_metrics() -> list[type[Metric]]:
    return [DensityCoverage]
