"""Exact nearest neighbours in Euclidean distance, computed in blocks to bound the memory."""

from __future__ import annotations

import torch
from torch import Tensor

QUERIES, POINTS = 1000, 8000  # block size: 32 MB of distances
CANDIDATES = 8  # nearest points per query in float32, of which float64 selects one
REFINED = 250  # queries per block in float64: 11 MB for 672 features


def nearest(
    queries: Tensor, points: Tensor, *, leave_out: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Return the index (N,) int64 of each query's nearest point, and the distance (N,) float64.

    Queries are (N, D) and points (M, D), both float32 on the CPU. ``leave_out`` (N,) int64 excludes
    one point per query, such as the query itself. At least one point must remain.

    Matrix products in float32 select a few candidates, whose distances are then computed from
    differences in float64, so that a copy has a distance of exactly 0. The result can differ from
    the nearest point only if more than `CANDIDATES` points are equally near in float32; its
    distance is then equal within float32 precision.
    """
    centre = points.mean(0)  # centred features have smaller products and smaller rounding errors
    squares = torch.full((len(queries), CANDIDATES), torch.inf)
    indices = torch.zeros(len(queries), CANDIDATES, dtype=torch.int64)
    for start in range(0, len(points), POINTS):
        block = points[start : start + POINTS] - centre
        norms = block.square().sum(1)
        for rows in torch.arange(len(queries)).split(QUERIES):
            # |p|^2 - 2 q . p, without |q|^2, which is the same for all points.
            found = torch.addmm(norms, queries[rows] - centre, block.T, alpha=-2)  # (B, P)
            if leave_out is not None:
                own = leave_out[rows] - start
                here = ((own >= 0) & (own < len(block))).nonzero()[:, 0]
                found[here, own[here]] = torch.inf
            best = found.topk(min(CANDIDATES, len(block)), dim=1, largest=False)
            both = torch.cat([squares[rows], best.values], 1)
            kept = both.topk(CANDIDATES, dim=1, largest=False)
            squares[rows] = kept.values
            indices[rows] = torch.cat([indices[rows], best.indices + start], 1).gather(
                1, kept.indices
            )
    return _measured(queries, points, indices, possible=squares < torch.inf)


def _measured(
    queries: Tensor, points: Tensor, indices: Tensor, *, possible: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the index and float64 distance of each query's nearest candidate, both (N,).

    ``indices`` (N, K) are the candidates; those not ``possible`` (N, K) are ignored. Of equal
    distances the candidate with the smallest index is returned.
    """
    indices, order = indices.sort(1)
    possible = possible.gather(1, order)
    distances = torch.cat(
        [
            (queries[rows, None].double() - points[indices[rows]].double()).norm(dim=2)
            for rows in torch.arange(len(queries)).split(REFINED)
        ]
    ).where(possible, torch.inf)  # (N, K)
    first = distances.argmin(1, keepdim=True)
    return indices.gather(1, first)[:, 0], distances.gather(1, first)[:, 0]
