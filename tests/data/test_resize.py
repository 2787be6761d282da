"""Resizing is bilinear, antialiased, rounded once, and keeps the middle."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from ganlab.data import resize
from ganlab.data.resize import resize_array, resize_to_square


def test_doubling_interpolates_between_neighbours() -> None:
    row = torch.tensor([0, 100], dtype=torch.uint8).expand(1, 1, 2, 2)
    # Pixel centres of the new row lie at -0.25, 0.25, 0.75, 1.25 of the old one.
    assert resize_to_square(row, size=4)[0, 0].tolist() == [[0, 25, 75, 100]] * 4


def test_halving_averages_with_a_triangle_as_wide_as_two_pixels() -> None:
    row = torch.tensor([0, 0, 0, 160, 0, 0, 0, 0], dtype=torch.uint8).expand(1, 1, 8, 8)
    # New pixel k is centred at 2k + 1; old pixel 3, centred at 3.5, weighs 1 - |3.5 - c| / 2 of 2.
    assert resize_to_square(row, size=4)[0, 0].tolist() == [[0, 60, 20, 0]] * 4


def test_halving_leaves_no_stripes_of_a_fine_pattern() -> None:
    stripes = torch.zeros(1, 1, 64, 64, dtype=torch.uint8)
    stripes[..., ::2] = 255
    inner = resize_to_square(stripes, size=16)[0, 0, :, 2:-2].float()
    assert inner.min() > 120
    assert inner.max() < 135


def test_it_agrees_with_pillow_to_one_level() -> None:
    images = np.random.default_rng(0).integers(0, 256, (4, 28, 28), dtype=np.uint8)
    (part,) = resize_array(images, np.arange(4), size=64)
    ours = part[:, 0].numpy().astype(int)
    theirs = [Image.fromarray(i).resize((64, 64), Image.Resampling.BILINEAR) for i in images]
    assert np.abs(ours - np.stack([np.asarray(i) for i in theirs])).max() <= 1


@pytest.mark.parametrize(("height", "width"), [(8, 24), (24, 8)])
def test_the_middle_of_the_longer_side_is_kept(height: int, width: int) -> None:
    image = torch.zeros(1, 3, height, width, dtype=torch.uint8)
    middle = (slice(None), slice(None), slice(8, 16)) if height > width else (..., slice(8, 16))
    image[middle] = 200
    assert torch.equal(
        resize_to_square(image, size=8), torch.full((1, 3, 8, 8), 200, dtype=torch.uint8)
    )
    assert resize_to_square(image, size=16).shape == (1, 3, 16, 16)


def test_odd_proportions_never_come_out_too_small() -> None:
    for height, width in ((7, 11), (333, 500), (8, 9), (1, 50)):
        image = torch.full((1, 1, height, width), 9, dtype=torch.uint8)
        for size in (8, 17, 32):
            assert torch.equal(
                resize_to_square(image, size=size), torch.full((1, 1, size, size), 9).byte()
            )


def test_chunks_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.random.default_rng(0).integers(0, 256, (10, 9, 9, 3), dtype=np.uint8)
    (whole,) = resize_array(images, np.arange(10), size=16)
    monkeypatch.setattr(resize, "CHUNK_ELEMENTS", 3 * 16 * 16 * 3)
    parts = list(resize_array(images, np.arange(10), size=16))
    assert [len(part) for part in parts] == [3, 3, 3, 1]
    assert torch.equal(torch.cat(parts), whole)
