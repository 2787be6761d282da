"""C_T, compared with its formula and SciPy, and the input that it rejects."""

from __future__ import annotations

import math

import pytest
import scipy
import torch
from torch import Tensor

from ganlab import MetricInput
from tests.plugins.metrics.helpers import changed, metric, metric_input, reordered

FAKE, TEST = metric_input(1, n=90, shift=0.3), metric_input(4, n=120)
REAL = changed(metric_input(2), held_out=TEST)


def on_a_line(*places: float) -> MetricInput:
    n = len(places)
    return MetricInput(
        torch.tensor(places)[:, None], torch.zeros(n, 2), torch.zeros(n, dtype=torch.int64)
    )


def to_nearest(x: Tensor) -> list[float]:
    return torch.cdist(x.double(), REAL.features.double()).min(1).values.tolist()


def test_by_hand() -> None:
    """Distances 1, 2, 3 and 2, 4, 5, 6: of twelve pairs, one is x > y and one is a tie."""
    real = changed(on_a_line(0.0, 100.0), held_out=on_a_line(2.0, 96.0, 105.0, -6.0))
    expected = {"ct": (1.5 - 6) / math.sqrt(12 * 8 / 12), "ct_closer": 1 - 1.5 / 12}
    found = metric("ct").compute(on_a_line(-1.0, 102.0, 3.0), real)
    assert found == pytest.approx(expected, rel=1e-12)


def test_it_equals_the_z_score_of_scipys_test() -> None:
    distances = to_nearest(FAKE.features), to_nearest(TEST.features)
    less = scipy.stats.mannwhitneyu(
        *distances, alternative="less", method="asymptotic", use_continuity=False
    )
    found = metric("ct").compute(FAKE, REAL)
    assert found["ct"] == pytest.approx(scipy.stats.norm.ppf(less.pvalue), rel=1e-6)
    assert found["ct_closer"] == pytest.approx(1 - less.statistic / (90 * 120))


def test_ties_count_half_as_in_scipy() -> None:
    generator = torch.Generator().manual_seed(0)
    fakes, tests = (torch.randint(1, 6, (n,), generator=generator).float() for n in (40, 50))
    real = changed(on_a_line(0.0, 0.0), held_out=on_a_line(*tests.tolist()))
    found = metric("ct").compute(on_a_line(*fakes.tolist()), real)
    u = scipy.stats.mannwhitneyu(fakes.numpy(), tests.numpy()).statistic
    assert found["ct_closer"] == pytest.approx(1 - u / 2000)


def test_z_is_zero_for_held_out_images_and_very_negative_for_copies() -> None:
    found = metric("ct")
    assert found.compute(reordered(TEST), REAL) == {"ct": 0.0, "ct_closer": 0.5}
    n, m = len(REAL.labels), len(TEST.labels)
    copies = found.compute(reordered(REAL), REAL)
    assert copies["ct_closer"] == 1
    assert copies["ct"] == pytest.approx(-math.sqrt(3 * n * m / (n + m + 1)))
    far = found.compute(changed(FAKE, features=FAKE.features + 99), REAL)
    assert far["ct"] == pytest.approx(math.sqrt(3 * 90 * m / (90 + m + 1)))


def test_a_limited_number_of_images_is_used_regardless_of_their_order() -> None:
    found = metric("ct", images=30)
    bound = math.sqrt(3 * 30 * 30 / 61)
    assert found.compute(REAL, REAL)["ct"] == pytest.approx(-bound)
    there, other = found.compute(FAKE, REAL), found.compute(reordered(FAKE), reordered(REAL))
    assert there == pytest.approx(other, rel=1e-12)
    assert there != metric("ct").compute(FAKE, REAL)


@pytest.mark.parametrize(
    ("z", "flag"), [(-80.0, "memorizes"), (-10.1, "memorizes"), (-9.9, None), (11.0, None)]
)
def test_it_warns_of_z_below_minus_ten(z: float, flag: str | None) -> None:
    assert metric("ct").flag({"ct": z, "ct_closer": 0.5}, {}) == flag


def test_held_out_features_must_exist_and_be_finite() -> None:
    found = metric("ct")
    with pytest.raises(ValueError, match=r"^there are no held-out real images to compare with$"):
        found.compute(FAKE, changed(REAL, held_out=None))
    broken = changed(TEST, features=TEST.features / 0)
    with pytest.raises(ValueError, match=r"^held-out features are not finite$"):
        found.compute(FAKE, changed(REAL, held_out=broken))
    with pytest.raises(ValueError, match=r"^1 held-out features: at least 2 are needed$"):
        found.compute(FAKE, changed(REAL, held_out=metric_input(4, n=1)))
