"""Nearest neighbours: equal to brute force for any block size, and exact for copies."""

from __future__ import annotations

import pytest
import torch
from ganlab_plugins.metrics import _neighbours
from ganlab_plugins.metrics._neighbours import nearest
from torch import Tensor


def points(seed: int, n: int, *, width: int = 20) -> Tensor:
    return torch.randn(n, width, generator=torch.Generator().manual_seed(seed))


def by_brute_force(queries: Tensor, among: Tensor) -> Tensor:
    return (queries[:, None].double() - among[None].double()).norm(dim=2)


@pytest.fixture(params=[(7, 11, 5), (100, 3, 1000), (1000, 8000, 250)], ids=str)
def blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the numbers of queries and points per block."""
    for name, value in zip(("QUERIES", "POINTS", "REFINED"), request.param, strict=True):
        monkeypatch.setattr(_neighbours, name, value)


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize("among", [1, 5, 90])
def test_they_equal_those_of_brute_force(among: int) -> None:
    queries, others = points(0, 60), points(1, among)
    indices, distances = nearest(queries, others)
    expected = by_brute_force(queries, others).min(1)
    assert torch.equal(indices, expected.indices)
    assert distances.dtype == torch.float64
    assert torch.allclose(distances, expected.values, rtol=1e-12, atol=0)


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize("among", [2, 5, 90])
def test_the_excluded_point_is_not_found(among: int) -> None:
    others = points(1, among)
    some = torch.arange(among).flip(0)[: among // 2 + 1]
    indices, distances = nearest(others[some], others, leave_out=some)
    between = by_brute_force(others[some], others)
    between[torch.arange(len(some)), some] = torch.inf
    expected = between.min(1)
    assert torch.equal(indices, expected.indices)
    assert torch.allclose(distances, expected.values, rtol=1e-12, atol=0)


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize("offset", [0.0, 1e3])
def test_a_copy_has_distance_zero_even_far_from_the_origin(offset: float) -> None:
    others = points(1, 90, width=672) + offset
    some = torch.arange(90).flip(0)
    indices, distances = nearest(others[some], others)
    assert torch.equal(indices, some)
    assert torch.equal(distances, torch.zeros(90, dtype=torch.float64))


@pytest.mark.usefixtures("blocks")
def test_the_duplicate_of_the_excluded_point_is_found() -> None:
    twice = points(1, 40).repeat(2, 1)
    indices, distances = nearest(twice, twice, leave_out=torch.arange(80))
    assert torch.equal(indices, (torch.arange(80) + 40) % 80)
    assert distances.max() == 0


def test_of_equally_near_points_the_first_is_found() -> None:
    indices, distances = nearest(torch.zeros(1, 2), torch.tensor([[5.0, 0], [0, 1], [1, 0]]))
    assert (indices.item(), distances.item()) == (1, 1.0)
