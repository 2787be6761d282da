"""Memorization: the definition by hand, the effect of copies, and the picture of the pairs."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from ganlab_plugins.metrics.memorization import GAP, GREY, PAIRS
from torch import Tensor

from ganlab import MetricInput
from tests.plugins.metrics.helpers import changed, metric, metric_input, reordered

REAL = metric_input(2, n=100)


def of(features: Tensor) -> MetricInput:
    n = len(features)
    return MetricInput(features, torch.zeros(n, 2), torch.zeros(n, dtype=torch.int64))


def on_a_line(*places: float) -> MetricInput:
    return of(torch.tensor(places)[:, None])


def memorization(fake: MetricInput, real: MetricInput, **options: int) -> float:
    return metric("memorization", **options).compute(fake, real)["memorization"]


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        (0.4, 1),  # nearest to 0, whose neighbour 1 is farther
        (4.9, 1),  # nearest to 3, whose neighbour is at distance 2
        (5.1, 1),  # nearest to 7, whose neighbour is at distance 4
        (11.5, 0),
        (-1.5, 0),
        (-1.0, 1),  # as far as the neighbour: only a larger distance is authentic
        (3.0, 1),
    ],
)
def test_by_hand(place: float, expected: float) -> None:
    real = on_a_line(0.0, 1.0, 3.0, 7.0)
    assert memorization(on_a_line(place, place), real) == expected
    assert memorization(on_a_line(place, place, 99.0, 99.0, 99.0), real) == 2 / 5 * expected


@pytest.mark.parametrize(
    ("width", "expected"), [(1, 2 / 3), (2, 6 * math.pi / (8 * math.pi + 3 * math.sqrt(3)))]
)
def test_for_equal_distributions_it_is_the_probability_of_mutual_neighbours(
    width: int, expected: float
) -> None:
    points = torch.rand(12_000, width, generator=torch.Generator().manual_seed(0))
    assert memorization(of(points[:2000]), of(points[2000:])) == pytest.approx(expected, abs=0.03)


def test_copies_are_memorized_in_any_order_and_with_duplicates() -> None:
    wide = torch.randn(100, 300, generator=torch.Generator().manual_seed(0)) + 100
    assert memorization(reordered(of(wide)), of(wide)) == 1
    twice = torch.cat([wide, wide])
    assert memorization(of(wide), of(twice)) == 1
    wide -= 100
    rounded = wide + 1e-6 * torch.randn(wide.shape, generator=torch.Generator().manual_seed(1))
    assert not torch.equal(rounded, wide)
    assert memorization(of(rounded), of(torch.cat([wide, wide]))) == 1
    assert memorization(of(wide[:1].repeat(5, 1)), of(wide[:1].repeat(9, 1))) == 1


def test_images_far_from_all_real_ones_are_not_memorized() -> None:
    assert memorization(changed(REAL, features=REAL.features + 50), REAL) == 0


def test_a_limited_number_of_images_is_used_regardless_of_their_order() -> None:
    half = torch.arange(80)[:, None] < 40
    fake = of(torch.where(half, REAL.features[:80], 50.0))
    assert memorization(fake, REAL) == 0.5
    assert memorization(fake, REAL, fakes=80) == 0.5
    some = [memorization(x, REAL, fakes=20) for x in (fake, reordered(fake))]
    assert some[0] == some[1] == pytest.approx(0.5, abs=0.05)
    assert memorization(fake, REAL, fakes=1) in (0, 1)


@pytest.mark.parametrize(
    ("value", "baseline", "flagged"),
    [
        (0.71, 0.4, True),  # 0.29 is below half of 0.6
        (0.69, 0.4, False),
        (0.76, None, True),
        (0.74, None, False),
        (1.0, 0.9, True),
        (0.0, 0.4, False),
    ],
)
def test_it_warns_below_half_of_the_authentic_fraction_of_held_out_images(
    value: float, baseline: float | None, flagged: bool
) -> None:
    real_baselines = {} if baseline is None else {"memorization": baseline, "images": 500.0}
    flag = metric("memorization").flag({"memorization": value}, real_baselines)
    assert flag == ("memorizes" if flagged else None)


def column(picture: np.ndarray, i: int, *, side: int = 96) -> tuple[np.ndarray, np.ndarray]:
    """Return the upper and the lower image of a column, (H, W) uint8."""
    left = GAP + i * (side + GAP)
    return tuple(  # type: ignore[return-value]
        picture[top : top + side, left : left + side, 0] for top in (GAP, 2 * GAP + side)
    )


def test_the_picture_starts_with_the_closest_pair_and_shows_each_real_image_once() -> None:
    fake = metric_input(1, n=60, shift=1.0)
    assert fake.images is not None
    assert REAL.images is not None
    features = fake.features.clone()
    features[[5, 6, 7]] = REAL.features[[30, 30, 41]]
    drawn = metric("memorization").picture(changed(fake, features=features), REAL)
    assert drawn is not None
    assert drawn.size == (PAIRS * (96 + GAP) + GAP, 2 * (96 + GAP) + GAP)
    pixels = np.asarray(drawn)
    assert (pixels[:GAP] == GREY).all()
    shown = [column(pixels, i) for i in range(PAIRS)]
    for (above, below), generated, real in zip(shown, (5, 7), (30, 41), strict=False):
        assert (above[::12, ::12] == fake.images[generated, 0].numpy()).all()
        assert (below[::12, ::12] == REAL.images[real, 0].numpy()).all()
    assert len({below.tobytes() for _, below in shown}) == PAIRS


def test_the_picture_of_fewer_pairs_is_narrower_and_in_colour() -> None:
    colours = torch.randint(256, (2, 3, 100, 100), dtype=torch.uint8)
    fake = changed(on_a_line(1.0, 5.0), images=colours)
    real = changed(on_a_line(1.0, 2.0), images=colours.flip(0))
    drawn = metric("memorization").picture(fake, real)
    assert drawn is not None
    assert drawn.size == (2 * (100 + GAP) + GAP, 2 * (100 + GAP) + GAP)
    assert (np.asarray(drawn)[GAP : GAP + 100, GAP : GAP + 100] == hwc(colours[0])).all()


def hwc(image: Tensor) -> np.ndarray:
    return image.permute(1, 2, 0).numpy()


def test_there_is_no_picture_without_images() -> None:
    fake = metric_input(1)
    found = metric("memorization")
    assert found.picture(changed(fake, images=None), REAL) is None
    assert found.picture(fake, changed(REAL, images=None)) is None
