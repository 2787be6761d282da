"""Each value, compared with its formula in NumPy and SciPy."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy
import torch
from scipy.special import log_softmax
from torch import Tensor

from tests.plugins.metrics.helpers import (
    CLASSES,
    changed,
    metric,
    metric_input,
    relabelled,
    reordered,
)

FAKE, REAL = metric_input(1, shift=0.5), metric_input(2, n=100)


def frechet_by_scipy(x: Tensor, y: Tensor) -> float:
    a, b = x.double().numpy(), y.double().numpy()
    covariances = np.cov(a.T), np.cov(b.T)
    root = scipy.linalg.sqrtm(covariances[0] @ covariances[1]).real
    means = a.mean(0) - b.mean(0)
    return float(means @ means + np.trace(covariances[0] + covariances[1] - 2 * root))


def distances(x: Tensor, y: Tensor) -> np.ndarray:
    a, b = x.double().numpy(), y.double().numpy()
    return np.sqrt(((a[:, None] - b[None]) ** 2).sum(-1))


def radii(x: Tensor, k: int) -> np.ndarray:
    return np.sort(distances(x, x), axis=1)[:, k]


def test_fid() -> None:
    expected = frechet_by_scipy(FAKE.features, REAL.features)
    assert metric("fid").compute(FAKE, REAL)["fid"] == pytest.approx(expected, rel=1e-4)


def test_fid_of_known_normal_distributions() -> None:
    """Independent coordinates: |m1 - m2|^2 + sum (s1 - s2)^2."""
    signs = torch.tensor([[x, y] for x in (-1.0, 1.0) for y in (-1.0, 1.0)])
    real = changed(REAL, features=signs)
    fake = changed(FAKE, features=signs * torch.tensor([2.0, 3.0]) + torch.tensor([1.0, 0.0]))
    expected = 1 + (1 + 4) * 4 / 3  # the covariance divides by N - 1
    assert metric("fid").compute(fake, real)["fid"] == pytest.approx(expected, rel=1e-6)


def test_fid_with_fewer_images_than_features_handles_the_singular_covariance() -> None:
    fake, real = (
        changed(of, features=of.features.repeat(1, 20) + 1e-2 * torch.arange(120))
        for of in (FAKE, REAL)
    )
    expected = 20 * frechet_by_scipy(FAKE.features, REAL.features)
    assert metric("fid").compute(fake, real)["fid"] == pytest.approx(expected, rel=1e-3)


def test_ifid_is_the_mean_over_classes_and_the_worst_of_them() -> None:
    wrong = relabelled(FAKE)
    within = [
        frechet_by_scipy(wrong.features[wrong.labels == c], REAL.features[REAL.labels == c])
        for c in range(CLASSES)
    ]
    assert metric("ifid").compute(wrong, REAL) == pytest.approx(
        {"ifid": np.mean(within), "ifid_worst": max(within)}, rel=1e-4
    )


@pytest.mark.parametrize("left", [0, 1])
def test_ifid_names_a_class_with_too_few_images(left: int) -> None:
    keep = (REAL.labels != 2) | ((REAL.labels == 2).cumsum(0) <= left)
    few = changed(REAL, features=REAL.features[keep], labels=REAL.labels[keep])
    expected = f"^class 2 has 20 generated and {left} reference images: at least 2 of each are"
    with pytest.raises(ValueError, match=expected):
        metric("ifid").compute(FAKE, few)
    expected = f"^class 2 has {left} generated and 20 reference images: at least 2 of each are"
    with pytest.raises(ValueError, match=expected):
        metric("ifid").compute(few, FAKE)


def test_fjd_is_the_distance_of_features_joined_with_scaled_labels() -> None:
    a = np.linalg.norm(REAL.features.double().numpy(), axis=1).mean()
    wrong = relabelled(FAKE)
    joint = [
        torch.cat([of.features.double(), a * torch.eye(CLASSES).double()[of.labels]], 1)
        for of in (wrong, REAL)
    ]
    expected = frechet_by_scipy(*joint)
    assert metric("fjd").compute(wrong, REAL)["fjd"] == pytest.approx(expected, rel=1e-4)


def test_fjd_detects_a_class_that_is_missing_in_one_set() -> None:
    last = changed(REAL, labels=REAL.labels.clamp(max=CLASSES - 2))
    same = changed(FAKE, labels=FAKE.labels.clamp(max=CLASSES - 2))
    fjd = metric("fjd")
    assert fjd.compute(FAKE, last)["fjd"] > 1.2 * fjd.compute(same, last)["fjd"]


@pytest.mark.parametrize("splits", [1, 4])
def test_inception_score(splits: int) -> None:
    order = np.random.RandomState(2020).permutation(len(FAKE.logits))
    scores = []
    for part in np.split(log_softmax(FAKE.logits.double().numpy(), axis=1)[order], splits):
        p = np.exp(part)
        scores.append(np.exp((p * (part - np.log(p.mean(0)))).sum(1).mean()))
    expected = {"is": np.mean(scores), "is_sd": np.std(scores)}
    found = metric("is", splits=splits).compute(FAKE, REAL)
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("seen", [1, 3, CLASSES])
def test_inception_score_of_a_confident_classifier_is_the_number_of_classes(seen: int) -> None:
    certain = changed(FAKE, logits=3000 * torch.eye(CLASSES)[torch.arange(60) % seen])
    assert metric("is", splits=1).compute(certain, REAL)["is"] == pytest.approx(seen)


def test_kid_of_one_subset_that_is_the_complete_set() -> None:
    n = 80
    x, y = FAKE.features[:n].double().numpy(), REAL.features[:n].double().numpy()
    xx, yy, xy = ((a @ b.T / x.shape[1] + 1) ** 3 for a, b in ((x, x), (y, y), (x, y)))
    pairs = n * (n - 1)
    expected = (xx.sum() - np.trace(xx) + yy.sum() - np.trace(yy)) / pairs - 2 * xy.mean()
    real = changed(REAL, features=REAL.features[:n])
    found = metric("kid", subsets=3, subset_size=n).compute(FAKE, real)
    assert found["kid"] == pytest.approx(expected, rel=1e-4)
    assert found["kid_sd"] < 1e-4 * found["kid"]


@pytest.mark.parametrize("k", [1, 3])
def test_precision_and_recall(k: int) -> None:
    between = distances(FAKE.features, REAL.features)
    precision = (between <= radii(REAL.features, k)).any(1).mean()
    recall = (radii(FAKE.features, k) >= between.T).any(1).mean()
    expected = {
        "prc": 2 * precision * recall / (precision + recall),
        "precision": precision,
        "recall": recall,
    }
    assert 0 < precision < 1
    assert 0 < recall < 1
    assert precision != recall
    assert metric("prc", k=k).compute(FAKE, REAL) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("rows", [7, 500])
@pytest.mark.parametrize("k", [1, 5])
def test_density_and_coverage(k: int, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ganlab_plugins.metrics.density_coverage.ROWS", rows)
    inside = distances(REAL.features, FAKE.features) < radii(REAL.features, k)[:, None]
    expected = {
        "coverage": inside.any(1).mean(),
        "density": inside.sum() / (k * len(FAKE.features)),
    }
    assert 0 < expected["coverage"] < 1
    assert metric("coverage", k=k).compute(FAKE, REAL) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("rows", [7, 500])
def test_density_of_copies_does_not_depend_on_their_order_or_the_block_size(
    rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy of the k-th neighbour is exactly on the boundary, where rounding must not matter."""
    monkeypatch.setattr("ganlab_plugins.metrics.density_coverage.ROWS", rows)
    wide = torch.randn(100, 131, generator=torch.Generator().manual_seed(0)) + 100
    real = changed(REAL, features=wide)
    assert metric("coverage").compute(reordered(real), real) == {"coverage": 1.0, "density": 1.0}


def test_conditional_accuracy_and_its_worst_class() -> None:
    labels = torch.tensor([0, 0, 0, 0, 3, 3])
    predicted = torch.tensor([0, 0, 0, 1, 3, 0])
    fake = changed(FAKE, labels=labels, predicted=predicted)
    chance = 4 / 6 * 4 / 6 + 2 / 6 * 1 / 6
    expected = {
        "cond-acc": 4 / 6,
        "cond-acc_worst": 0.5,
        "cond-acc_chance": chance,
        "cond-acc_matched": 4 / 6,
    }
    assert metric("cond-acc").compute(fake, REAL) == pytest.approx(expected)


def test_conditional_accuracy_after_the_best_matching_of_classes() -> None:
    generator = torch.Generator().manual_seed(0)
    labels, noise = (torch.randint(5, (300,), generator=generator) for _ in range(2))
    predicted = torch.where(torch.rand(300, generator=generator) < 0.7, (labels + 2) % 5, noise)
    best = max(
        float((torch.tensor(order)[labels] == predicted).double().mean())
        for order in itertools.permutations(range(5))
    )
    found = metric("cond-acc").compute(changed(FAKE, labels=labels, predicted=predicted), REAL)
    assert found["cond-acc_matched"] == pytest.approx(best)
    assert found["cond-acc"] < 0.2 < 0.7 < best


def test_conditional_accuracy_needs_predicted_classes() -> None:
    fake = changed(FAKE, predicted=None)
    with pytest.raises(
        ValueError, match=r"^the predicted classes of the generated images are missing$"
    ):
        metric("cond-acc").compute(fake, REAL)


def test_equal_sets_have_no_distance() -> None:
    for name in ("fid", "ifid", "fjd"):
        assert all(abs(v) < 1e-4 for v in metric(name).compute(REAL, REAL).values()), name
    whole = metric("kid", subset_size=len(REAL.features)).compute(REAL, REAL)["kid"]
    assert whole < 0  # unbiased: pairs (x, x) count between the sets, but not within one
    assert metric("prc").compute(REAL, REAL) == {"prc": 1.0, "precision": 1.0, "recall": 1.0}
    # A copy of the k-th neighbour is on the boundary of an open ball: k of k + 1 copies are inside.
    assert metric("coverage").compute(REAL, REAL) == {"coverage": 1.0, "density": 1.0}
