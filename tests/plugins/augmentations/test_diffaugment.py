"""Differentiable augmentation: each transform is compared with NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from ganlab_plugins.augmentations.diffaugment import (
    brightness,
    contrast,
    cutout,
    saturation,
    translation,
)
from torch import Tensor

from tests.plugins.stand import part, step_of

torch.manual_seed(0)
X = torch.rand(200, 3, 8, 8) * 2 - 1


def changed(change: Any, x: Tensor = X) -> tuple[np.ndarray, np.ndarray]:
    torch.manual_seed(1)
    return x.double().numpy(), change(x, step_of(real=x, fake=x)).double().numpy()


def test_brightness_adds_one_number_to_each_image() -> None:
    before, after = changed(brightness)
    added = (after - before).reshape(200, -1)
    np.testing.assert_allclose(added, added[:, :1].repeat(192, 1), atol=1e-6)
    assert -0.5 <= added.min() < -0.45 < 0.45 < added.max() <= 0.5


def test_saturation_multiplies_the_distance_from_grey() -> None:
    before, after = changed(saturation)
    grey = before.mean(1, keepdims=True)
    np.testing.assert_allclose(after.mean(1, keepdims=True), grey, atol=1e-6)
    factor = (after - grey).std((1, 2, 3)) / (before - grey).std((1, 2, 3))
    np.testing.assert_allclose(
        after - grey, factor[:, None, None, None] * (before - grey), atol=1e-5
    )
    assert 0 <= factor.min() < 0.1 < 1.9 < factor.max() <= 2
    grey_images = X[:, :1]
    torch.testing.assert_close(
        saturation(grey_images, step_of(real=grey_images, fake=grey_images)), grey_images
    )


def test_contrast_multiplies_the_distance_from_the_images_mean() -> None:
    before, after = changed(contrast)
    mean = before.mean((1, 2, 3), keepdims=True)
    factor = (after - mean).std((1, 2, 3)) / before.std((1, 2, 3))
    np.testing.assert_allclose(
        after - mean, factor[:, None, None, None] * (before - mean), atol=1e-5
    )
    assert 0.5 <= factor.min() < 0.6 < 1.4 < factor.max() <= 1.5


def test_translation_shifts_by_whole_pixels_with_zero_padding() -> None:
    before, after = changed(translation)
    ways = set()
    for a, b in zip(before, after, strict=True):
        wide = np.pad(a, ((0, 0), (1, 1), (1, 1)))
        fitting = [
            (d, r) for d in range(3) for r in range(3)
            if np.array_equal(wide[:, d : d + 8, r : r + 8], b)
        ]  # fmt: skip
        assert len(fitting) == 1
        ways |= {*fitting}
    assert len(ways) == 9  # 1/8 of eight pixels, in each direction


def test_cutout_sets_a_square_of_half_the_size_to_grey_at_any_centre() -> None:
    before, after = changed(cutout)
    corners = set()
    for a, b in zip(before, after, strict=True):
        fitting = []
        for top in range(-2, 7):
            for left in range(-2, 7):
                expected = a.copy()
                expected[:, max(top, 0) : top + 4, max(left, 0) : left + 4] = 0
                if np.array_equal(expected, b):
                    fitting.append((top, left))
        assert len(fitting) == 1
        corners |= {*fitting}
    assert {-2, 6} <= {top for top, _ in corners}
    assert len(corners) > 60


@pytest.mark.parametrize("policy", [["color"], ["translation"], ["cutout"]])
def test_each_image_is_augmented_differently_and_gradients_flow_through(policy: list[str]) -> None:
    x = X[:1].expand(50, -1, -1, -1).clone().requires_grad_()
    got = part("augmentation", "diffaugment", policy=policy).augment(
        x, step_of(real=x, fake=x), None
    )
    assert len({tuple(row) for row in got.detach().flatten(1).tolist()}) > 5
    got.square().sum().backward()
    assert (x.grad.flatten(1).abs().sum(1) > 0).all()


def test_p_is_the_fraction_of_images_that_change() -> None:
    for p, low, high in ((0.0, 0, 0), (0.5, 70, 130), (1.0, 200, 200)):
        got = part("augmentation", "diffaugment", p=p).augment(X, step_of(real=X, fake=X), None)
        count = ((got - X).abs().flatten(1).amax(1) > 0).sum().item()
        assert low <= count <= high, p
