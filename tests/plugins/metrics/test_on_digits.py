"""Real digits: copies of training images cause warnings, held-out images do not."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
import torch
from ganlab_plugins.datasets.digits import Digits
from ganlab_plugins.extractors.cnn import Cnn
from torch import Tensor

from ganlab import MetricInput
from ganlab.data.prepare import prepare
from tests.plugins.metrics.helpers import metric


@dataclass
class Seen:
    """The two splits, with the outputs of the shipped networks."""

    images: Tensor
    labels: Tensor
    train: MetricInput
    """The reference, with half of the test split as held-out images."""

    test: MetricInput
    """The other half."""


def looked_at(images: Tensor, labels: Tensor) -> MetricInput:
    features, logits = Cnn().load("digits", 1)(images)
    classifier = Cnn().classifier("digits", 1)
    assert classifier is not None
    return MetricInput(features, logits, labels, classifier(images)[1].argmax(1), images)


@pytest.fixture(scope="module")
def digits() -> Seen:
    train, test = prepare(Digits(image_size=32)), prepare(Digits(image_size=32), split="test")
    held_out = looked_at(test.images[::2], test.labels[::2])
    reference = replace(looked_at(train.images, train.labels), held_out=held_out)
    return Seen(
        train.images,
        train.labels,
        reference,
        looked_at(test.images[1::2], test.labels[1::2]),
    )


def moved(images: Tensor) -> Tensor:
    return images.roll(1, dims=3)


def flags(fake: MetricInput, digits: Seen) -> list[str | None]:
    """Return the warnings of memorization and C_T."""
    warned = []
    for name in ("memorization", "ct"):
        found = metric(name)
        assert digits.train.held_out is not None
        baseline = found.compute(digits.train.held_out, digits.train)
        warned.append(found.flag(found.compute(fake, digits.train), baseline))
    return warned


def test_copies_cause_warnings(digits: Seen) -> None:
    some = slice(None, 500)
    assert flags(looked_at(digits.images[some], digits.labels[some]), digits) == ["memorizes"] * 2


def test_copies_shifted_by_a_pixel_cause_warnings(digits: Seen) -> None:
    some = slice(None, 500)
    fake = looked_at(moved(digits.images[some]), digits.labels[some])
    assert flags(fake, digits) == ["memorizes"] * 2


def test_held_out_images_cause_no_warnings(digits: Seen) -> None:
    assert flags(digits.test, digits) == [None, None]


def test_cas_is_high_for_real_images_and_at_chance_for_shuffled_labels(digits: Seen) -> None:
    cas = metric("cas")  # of one epoch
    assert cas.compute(digits.train, digits.train)["cas"] > 0.9
    order = torch.randperm(len(digits.labels), generator=torch.Generator().manual_seed(0))
    shuffled = replace(digits.train, labels=digits.labels[order], held_out=None)
    found = cas.compute(shuffled, digits.train)
    assert found["cas"] < 0.25
    assert found["cas_gan-test"] < 0.15
