"""Conditional accuracy warns of a generator that ignores its labels."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tests.plugins.metrics.helpers import changed, metric, metric_input

FAKE, REAL = metric_input(1), metric_input(2)


@pytest.mark.parametrize(
    ("accuracy", "chance", "flag"),
    [
        (0.1, 0.1, "ignores labels"),
        (0.05, 0.1, "ignores labels"),
        (0.144, 0.1, "ignores labels"),
        (0.146, 0.1, None),
        (1.0, 0.1, None),
        (0.9, 0.9, "ignores labels"),
        (0.904, 0.9, "ignores labels"),
        (0.906, 0.9, None),
        (1.0, 1.0, None),  # only one class: there is no label to ignore
    ],
)
def test_it_warns_below_chance_plus_a_twentieth_of_the_rest(
    accuracy: float, chance: float, flag: str | None
) -> None:
    values = {"cond-acc": accuracy, "cond-acc_worst": accuracy, "cond-acc_chance": chance}
    assert metric("cond-acc").flag(values, {}) == flag


def flag_of(labels: Tensor, predicted: Tensor) -> str | None:
    found = metric("cond-acc")
    return found.flag(found.compute(changed(FAKE, labels=labels, predicted=predicted), REAL), {})


def test_always_generating_the_most_frequent_class_is_at_chance() -> None:
    labels = torch.tensor([0] * 90 + [1] * 10)
    assert flag_of(labels, torch.zeros_like(labels)) == "ignores labels"
    assert flag_of(labels, labels) is None
    wrong_now_and_then = labels.clone()
    wrong_now_and_then[88:92] = 1 - labels[88:92]
    assert flag_of(labels, wrong_now_and_then) is None


def test_classes_independent_of_the_labels_are_at_chance_balanced_or_not() -> None:
    generator = torch.Generator().manual_seed(0)
    for weights in (torch.ones(10), torch.arange(1.0, 11.0) ** 2):
        labels = weights.multinomial(5000, replacement=True, generator=generator)
        mixed = labels[torch.randperm(5000, generator=generator)]
        assert flag_of(labels, mixed) == "ignores labels"
