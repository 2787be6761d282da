"""What makes scores comparable, and labels that follow the reference."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from ganlab.evaluation.features import subset
from ganlab.evaluation.generated import quota_labels
from ganlab.evaluation.protocol import Protocol
from ganlab.metrics import MetricInput


def protocol() -> Protocol:
    about = {"name": "tiny", "sha256": "sha", "images": 8, "image_size": 16, "channels": 1}
    return Protocol.of(about, samples=100, extractor="e-1")


@pytest.mark.parametrize("field", [f.name for f in dataclasses.fields(Protocol)])
def test_every_part_of_the_protocol_changes_its_id(field: str) -> None:
    before = protocol()
    value = getattr(before, field)
    after = dataclasses.replace(before, **{field: value + 1 if isinstance(value, int) else "x"})
    assert before.id == protocol().id
    assert before.id != after.id


def test_labels_go_by_the_references_quotas_whatever_the_seed() -> None:
    reference = torch.tensor([0] * 50 + [1] * 30 + [2] * 20)
    for seed in range(3):
        labels = quota_labels(reference, 4, samples=17, seed=seed)
        # 8.5, 5.1, 3.4 and 0: the largest remainder gets the one that is missing.
        assert torch.bincount(labels, minlength=4).tolist() == [9, 5, 3, 0]
    first, again, other = (
        quota_labels(reference, 3, samples=100, seed=seed).tolist() for seed in (0, 0, 1)
    )
    assert first == again != other


def test_a_subset_keeps_the_classes_in_proportion_and_is_always_the_same() -> None:
    labels = torch.arange(1000) % 10
    metric_input = MetricInput(torch.arange(1000.0)[:, None], torch.zeros(1000, 2), labels, labels)
    part = subset(metric_input, 100)
    assert torch.bincount(part.labels).tolist() == [10] * 10
    assert len(part.features.unique()) == 100
    assert torch.equal(part.features, subset(metric_input, 100).features)
    assert part.predicted is not None
    assert torch.equal(part.predicted, part.labels)
    assert (part.features[:, 0].long() % 10).tolist() == part.labels.tolist()
    assert subset(metric_input, None) is subset(metric_input, 1000) is metric_input
