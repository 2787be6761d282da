"""Density and coverage."""

from __future__ import annotations

import torch
from pydantic import PositiveInt

from ganlab import Metric, MetricInput, hookimpl

from ._inputs import checked_features

ROWS = 500  # distances of so many reference images at a time: 40 MB for 10,000 others
TIE = 1 - 1e-9  # a copy at exactly the radius is outside, whatever the order of summation


class DensityCoverage(Metric):
    """Density 1/(kM) sum_j sum_i [f_j in B(r_i)]; coverage 1/N sum_i [some f_j in B(r_i)].

    B(r_i) is the open ball around reference feature i that reaches to its k-th neighbour in the
    reference, and j counts the M generated images. Density expects 1 of a perfect model and may
    exceed it, coverage 1 - 2^-k.
    """

    name = "coverage"
    paper = "Naeem et al., 2020, arXiv:2002.09797, equations 3 and 4"
    higher_is_better = True
    range = "0 to 1"
    default_order = 8
    max_images = 5_000

    k: PositiveInt = 5
    """A ball reaches to the k-th nearest neighbour."""

    @property
    def min_images(self) -> int:
        return self.k + 1

    def compute(self, fake: MetricInput, real: MetricInput) -> dict[str, float]:
        fakes, reals = checked_features(fake, real, minimum=self.min_images)
        # Distances are differences of large products: float32 would lose the short ones.
        fakes, reals = fakes.double(), reals.double()
        inside = covered = 0
        for centres in reals.split(ROWS):
            # (B, N) -> (B, 1): the nearest of all is the centre itself
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
