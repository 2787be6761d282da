"""Checks of metrics."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from ganlab.evaluation.features import compute
from ganlab.metrics import Metric, MetricInput
from ganlab.seeds import seeded
from ganlab.testing.harness import CPU, labels_of
from ganlab.testing.report import Findings
from ganlab.testing.tensors import SEED

CLASSES = 4
FEATURES = 8


def check_metric(found: Findings, metric: Metric) -> None:
    """Check a metric's declarations, and its values for random features."""
    where = "compute()"
    with found.group("declared"):
        levels = (True, False, None)
        got = repr(metric.higher_is_better)
        found.expect(metric.higher_is_better in levels, "higher_is_better", "a direction", got)
        small = isinstance(metric.min_images, int) and metric.min_images >= 1
        found.expect(small, "minimum", "a whole number from 1", repr(metric.min_images))
        strange = [n for n in metric.needs if n not in ("classifier", "held out", "logits")]
        allowed = "only 'classifier', 'held out', 'logits'"
        found.expect(not strange, "needs", allowed, ", ".join(map(repr, strange)))
    n = max(metric.min_images, 64)
    n += n % CLASSES and CLASSES - n % CLASSES
    fake, real = _metric_input(metric, n, shift=0.5), _metric_input(metric, n, shift=0.0)
    with found.group("values", f"finite, the first is '{metric.name}', no trace left"):
        kept = [t.clone() for t in _tensors(fake, real)]
        with torch.no_grad():
            values = metric.compute(fake, real)
        if not found.expect(isinstance(values, dict), where, "a dict", type(values).__name__):
            return
        first = next(iter(values), "nothing")
        found.expect(first == metric.name, where, f"'{metric.name}' as the first value", first)
        for name, value in values.items():
            good = isinstance(value, float | int) and math.isfinite(value)
            found.expect(good, f"{where}['{name}']", "a finite number", repr(value))
        if found.groups[-1].failures:
            return
        same = all(torch.equal(a, b) for a, b in zip(kept, _tensors(fake, real), strict=True))
        found.expect(same, where, "metric_input that is as it was", "it changed")
        twice = [compute(metric, fake, real) for _ in range(2)]
        found.expect(
            twice[0] == twice[1], where, "the same values twice", f"{twice[0]}, {twice[1]}"
        )
        flag = metric.flag(values, {})
        found.expect(flag is None or isinstance(flag, str), "flag()", "text or None", repr(flag))


def _metric_input(metric: Metric, n: int, *, shift: float) -> MetricInput:
    """Return random input with the fields that the metric needs."""
    with seeded(SEED, CPU):
        labels = labels_of(n, CLASSES)
        features = torch.randn(n, FEATURES) + shift + labels[:, None]
        logits = torch.randn(n, CLASSES)
        images = torch.randint(256, (n, 1, 16, 16)).to(torch.uint8)
        held = MetricInput(features.flip(0), logits.flip(0), labels.flip(0), images=images.flip(0))
        predictions = labels.roll(1) if shift else labels
        predicted = predictions if "classifier" in metric.needs else None
        if predicted is not None:
            held = replace(held, predicted=predicted.flip(0))
        return MetricInput(
            features,
            logits if "logits" in metric.needs else torch.empty(n, 0),
            labels,
            predicted,
            images,
            held if "held out" in metric.needs and not shift else None,
        )


def _tensors(*inputs: MetricInput) -> list[Tensor]:
    return [t for one in inputs for t in (one.features, one.logits, one.labels)]
