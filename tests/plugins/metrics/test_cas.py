"""CAS: its values, its requirements, and that it has no side effects."""

from __future__ import annotations

import pytest
import torch
from ganlab_plugins.metrics import cas

from tests.plugins.metrics.helpers import changed, metric, metric_input

FAKE, TEST = metric_input(1), metric_input(4, n=48)
REAL = changed(metric_input(2), held_out=TEST)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Train for only a few batches."""
    monkeypatch.setattr(cas, "IMAGES", 10 * cas.BATCH)


def test_it_is_the_accuracy_of_the_trained_and_of_the_given_classifier() -> None:
    """A classifier trained without the last of four classes has an accuracy of 3/4."""
    assert FAKE.images is not None
    seen = FAKE.labels < 3
    fake = changed(
        FAKE,
        labels=FAKE.labels[seen],
        images=FAKE.images[seen],
        features=FAKE.features[seen],
        predicted=torch.zeros_like(FAKE.labels[seen]),
    )
    found = metric("cas").compute(fake, REAL)
    assert found == {"cas": 0.75, "cas_gan-test": pytest.approx(1 / 3)}


@pytest.mark.parametrize(
    ("count", "options", "batches"), [(2, {}, 156), (1280, {"epochs": 3}, 230), (40_000, {}, 312)]
)
def test_the_number_of_batches_hardly_depends_on_the_number_of_images(
    count: int, options: dict[str, int], batches: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    epochs = []

    def note(*_: object, **given: int) -> cas.Member:
        epochs.append(given["epochs"])
        return cas.Member(1, given["num_classes"]).eval()

    monkeypatch.setattr(cas, "_train", note)
    fake = changed(
        FAKE,
        features=torch.zeros(count, 2),
        labels=torch.zeros(count, dtype=torch.int64),
        images=torch.zeros(count, 1, 1, 1, dtype=torch.uint8),
        predicted=torch.zeros(count, dtype=torch.int64),
    )
    metric("cas", **({"epochs": 2} | options)).compute(fake, REAL)
    assert epochs[0] * max(1, count // cas.BATCH) == batches


@pytest.mark.usefixtures("short")
def test_threads_and_disabled_gradients_do_not_change_it() -> None:
    found, before = metric("cas"), torch.get_num_threads()
    there = found.compute(FAKE, REAL)
    try:
        torch.set_num_threads(2)
        with torch.no_grad():
            assert found.compute(FAKE, REAL) == there
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_it_names_the_missing_input() -> None:
    found = metric("cas")
    tests = r"^there are no held-out real images to test the classifier on$"
    for real in (changed(REAL, held_out=None), changed(REAL, held_out=changed(TEST, images=None))):
        with pytest.raises(ValueError, match=tests):
            found.compute(FAKE, real)
    with pytest.raises(ValueError, match=r"^the generated images are missing; the classifier"):
        found.compute(changed(FAKE, images=None), REAL)
    with pytest.raises(
        ValueError, match=r"^the predicted classes of the generated images are missing$"
    ):
        found.compute(changed(FAKE, predicted=None), REAL)
