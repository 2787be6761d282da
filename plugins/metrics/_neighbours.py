"""Nearest neighbours in Euclidean distance, in blocks, so that memory does not grow with N x M."""

from __future__ import annotations

import torch
from torch import Tensor

QUERIES, POINTS = 1000, 8000  # 32 MB of distances at a time
CANDIDATES = 8
REFINED = 250  # queries whose candidates are measured at a time: 11 MB for 672 features


def nearest(
    queries: Tensor, points: Tensor, *, leave_out: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Return the index (N,) int64 of each query's nearest point, and the distance (N,) float64.

    Queries are (N, D), points (M, D), both float32 on the CPU. ``leave_out`` (N,) int64 names for
    each query a point that does not count: itself, where queries are points. Some point must be
    left.

    Products of float32 pick a few candidates, whose differences are then taken in float64: a copy
    is at exactly 0. Another point than the nearest is found only if more than `CANDIDATES` of them
    are as near as float32 can tell; it is then as near, too.
    """
    centre = points.mean(0)  # products of centred features are smaller, and so are their errors
    squares = torch.full((len(queries), CANDIDATES), torch.inf)
    indices = torch.zeros(len(queries), CANDIDATES, dtype=torch.int64)
    for start in range(0, len(points), POINTS):
        block = points[start : start + POINTS] - centre
        norms = block.square().sum(1)
        for rows in torch.arange(len(queries)).split(QUERIES):
            # Less |q|^2, which is the same for all points.
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
    """Return the nearest of each query's candidates (N, K), of several the first."""
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
