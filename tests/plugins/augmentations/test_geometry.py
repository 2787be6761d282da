"""Blitting and warping, compared with NumPy and with analytic images."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ganlab_plugins.augmentations._geometry import SYM6, Warp, blit
from torch import Tensor

NEAR = 0.03
"""Tolerance: the filter is slightly asymmetric, and interpolation is bilinear."""


def moved(x: Tensor, mirror: int = 0, turns: int = 0, shift: tuple[int, int] = (0, 0)) -> Tensor:
    n = len(x)
    whole = torch.tensor([shift] * n)
    return blit(x, mirror=torch.tensor([mirror] * n), turns=torch.tensor([turns] * n), shift=whole)


def by_numpy(x: np.ndarray, mirror: int, turns: int, shift: tuple[int, int]) -> np.ndarray:
    """Transform one image (C, S, S)."""
    x = x[:, :, ::-1] if mirror else x
    x = np.rot90(x, turns, axes=(1, 2))
    right, down = shift
    size = x.shape[1]
    wide = np.pad(x, ((0, 0), (5, 5), (5, 5)), mode="reflect")
    return wide[:, 5 - down : 5 - down + size, 5 - right : 5 - right + size]


@pytest.mark.parametrize("mirror", [0, 1])
@pytest.mark.parametrize("turns", [0, 1, 2, 3])
@pytest.mark.parametrize("shift", [(0, 0), (2, -1), (-3, 4)])
def test_blit_equals_numpy(mirror: int, turns: int, shift: tuple[int, int]) -> None:
    x = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    got = moved(x, mirror, turns, shift)
    for before, after in zip(x.numpy(), got.numpy(), strict=True):
        np.testing.assert_array_equal(after, by_numpy(before, mirror, turns, shift))


def test_each_image_has_its_own_transform() -> None:
    x = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    got = blit(
        x,
        mirror=torch.tensor([0.0, 1.0, 0.0]),
        turns=torch.tensor([1.0, 0.0, 3.0]),
        shift=torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, -2.0]]),
    )
    ways = [(0, 1, (0, 0)), (1, 0, (1, 0)), (0, 3, (0, -2))]
    for before, after, way in zip(x.numpy(), got.numpy(), ways, strict=True):
        np.testing.assert_array_equal(after, by_numpy(before, *way))


def warp(x: Tensor, inverse: Tensor) -> Tensor:
    return Warp(x.shape[3]).double()(x, inverse)


def affine(matrix: list[list[float]], n: int = 1) -> Tensor:
    return torch.tensor(matrix, dtype=torch.float64).expand(n, 2, 3)


def test_the_filter_is_orthogonal() -> None:
    h = np.array(SYM6)
    for lag in range(0, 12, 2):
        assert (h[lag:] * h[: len(h) - lag]).sum() == pytest.approx(float(lag == 0), abs=1e-9)
    assert h.sum() == pytest.approx(np.sqrt(2), abs=1e-9)


@pytest.mark.parametrize("size", [8, 16, 17])
def test_the_identity_preserves_the_image(size: int) -> None:
    x = torch.randn(2, 3, size, size, dtype=torch.float64)
    got = warp(x, affine([[1, 0, 0], [0, 1, 0]], 2))
    torch.testing.assert_close(got, x, atol=1e-6, rtol=0)


@pytest.mark.parametrize("shift", [(1, 0), (0, -2), (3, 2), (-9, 5)])
def test_a_shift_by_whole_pixels_equals_numpy(shift: tuple[int, int]) -> None:
    x = torch.randn(1, 2, 8, 8, dtype=torch.float64)
    got = warp(x, affine([[1, 0, -shift[0]], [0, 1, -shift[1]]]))
    wide = np.pad(x[0].numpy(), ((0, 0), (9, 9), (9, 9)), mode="reflect")
    top, left = 9 - shift[1], 9 - shift[0]
    np.testing.assert_allclose(got[0], wide[:, top : top + 8, left : left + 8], atol=1e-6)


def hill(right: Tensor, down: Tensor) -> Tensor:
    """Return a smooth elongated bump that is not centred."""
    return torch.exp(-((right - 3) ** 2) / 18 - (down + 2) ** 2 / 32)


@pytest.mark.parametrize(
    "matrix",
    [
        [[1 / 1.3, 0, 0], [0, 1 / 1.3, 0]],
        [[1.2, 0, 0], [0, 1 / 1.2, 0]],
        [[np.cos(0.7), np.sin(0.7), 0], [-np.sin(0.7), np.cos(0.7), 0]],
        [[1, 0, -1.3], [0, 1, 2.6]],
        [[0.9 * np.cos(2), 1.1 * np.sin(2), 1.5], [-0.9 * np.sin(2), 1.1 * np.cos(2), -0.5]],
    ],
    ids=["scale", "stretch", "rotate", "shift", "all"],
)
def test_a_smooth_image_is_transformed_like_its_analytic_function(
    matrix: list[list[float]],
) -> None:
    size = 33
    steps = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    down, right = torch.meshgrid(steps, steps, indexing="ij")
    inverse = affine(matrix)
    got = warp(hill(right, down)[None, None], inverse)[0, 0]
    points = torch.stack([right, down, torch.ones_like(right)])
    source = torch.einsum("ij,jhw->ihw", inverse[0], points)
    # Outside the image the warp shows the reflection, where the bump is almost zero.
    expected = hill(source[0], source[1])
    assert expected.max() > 0.9
    inside = (source.abs() < (size - 1) / 2 - 2).all(0)
    assert inside.sum() > 400
    assert (got - expected)[inside].abs().max() < NEAR


def test_a_rotation_by_90_degrees_is_nearly_equal_in_warp_and_blit() -> None:
    steps = torch.arange(16, dtype=torch.float64) - 7.5
    down, right = torch.meshgrid(steps, steps, indexing="ij")
    x = hill(right, down)[None, None]
    got = warp(x, affine([[0, -1, 0], [1, 0, 0]]))
    assert (got - moved(x, turns=1)).abs().max() < NEAR


def test_pixels_beyond_the_border_are_reflected_at_any_distance() -> None:
    x = torch.randn(1, 1, 8, 8, dtype=torch.float64)
    got = warp(x, affine([[1, 0, -14], [0, 1, 28]]))  # the period is 2 * (8 - 1)
    torch.testing.assert_close(got, x, atol=1e-6, rtol=0)


def test_gradients_and_double_backward_are_correct() -> None:
    x = torch.randn(1, 1, 6, 6, dtype=torch.float64, requires_grad=True)
    inverse = affine([[0.9, 0.3, 0.7], [-0.2, 1.1, -0.4]])

    def both(x: Tensor) -> Tensor:
        return warp(moved(x, 1, 1, (1, 0)), inverse).pow(2)

    assert torch.autograd.gradcheck(both, (x,))
    assert torch.autograd.gradgradcheck(both, (x,))
