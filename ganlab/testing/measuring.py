"""Metrics and extractors."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from ganlab.errors import DataError, DataUnavailable
from ganlab.evaluation.features import compute
from ganlab.metrics import Extractor, Metric, MetricInput
from ganlab.nn import ExtractorNet
from ganlab.plugins import Plugins
from ganlab.seeds import seeded
from ganlab.testing.bench import CPU, labels_of
from ganlab.testing.parts import NAME
from ganlab.testing.report import Findings
from ganlab.testing.tensors import SEED, difference, finite, shape

CLASSES = 4
FEATURES = 8


def check_metric(found: Findings, metric: Metric) -> None:
    """Try a metric on features of noise."""
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
    fake, real = _evidence(metric, n, shift=0.5), _evidence(metric, n, shift=0.0)
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


def _evidence(metric: Metric, n: int, *, shift: float) -> MetricInput:
    """Return what the metric says that it needs, of noise."""
    with seeded(SEED, CPU):
        labels = labels_of(n, CLASSES)
        features = torch.randn(n, FEATURES) + shift + labels[:, None]
        logits = torch.randn(n, CLASSES)
        images = torch.randint(256, (n, 1, 16, 16)).to(torch.uint8)
        held = MetricInput(features.flip(0), logits.flip(0), labels.flip(0), images=images.flip(0))
        seen = labels.roll(1) if shift else labels
        judged = seen if "classifier" in metric.needs else None
        if judged is not None:
            held = replace(held, predicted=judged.flip(0))
        return MetricInput(
            features,
            logits if "logits" in metric.needs else torch.empty(n, 0),
            labels,
            judged,
            images,
            held if "held out" in metric.needs and not shift else None,
        )


def _tensors(*evidences: MetricInput) -> list[Tensor]:
    return [t for e in evidences for t in (e.features, e.logits, e.labels)]


def check_extractor(found: Findings, extractor: Extractor, plugins: Plugins) -> None:
    """Try an extractor on images, for the first dataset that it has a network for."""
    loaded: list[tuple[int, ExtractorNet]] = []
    reason = ""
    for channels in (1, 3):
        for dataset in (NAME, *plugins.names("dataset")):
            try:
                loaded.append((channels, extractor.load(dataset, channels)))
                break
            except DataUnavailable as error:
                before, reason = reason, " ".join(str(error).split()).replace(dataset, "DATASET")
                if before == reason and "DATASET" not in reason:
                    break  # it is not the dataset that it lacks
            except Exception as error:
                with found.group("network"):
                    what = "expected a network or DataUnavailable, got"
                    found.fail("load()", f"{what} {found.told(error)}")
                return
    if not loaded:
        found.skip("network", reason)
        return
    with found.group("network", "features and logits of uint8 images, the same in every batch"):
        for channels, net in loaded:
            try:
                with found.guarded("load()"):
                    _check_net(found, net, channels)
            except _Refused as refused:
                found.groups[-1].note += f"; not of {channels} channels: {refused}"


class _Refused(BaseException):
    """A network of another number of channels than the images, which said so."""


@torch.no_grad()
def _check_net(found: Findings, net: ExtractorNet, channels: int) -> None:
    kind = type(net).__name__
    if not found.expect(isinstance(net, ExtractorNet), "load()", "an ExtractorNet", kind):
        return
    found.expect(not net.training, "load()", "a network in eval mode", "one in training mode")
    for attribute, wanted in (("id", str), ("class_names", tuple)):
        value = getattr(net, attribute, None)
        found.expect(isinstance(value, wanted), attribute, wanted.__name__, type(value).__name__)
    with seeded(SEED, CPU):
        images = torch.randint(256, (5, channels, 16, 16)).to(torch.uint8)
    try:
        features, logits = net(images)
    except DataError as error:
        raise _Refused(error) from None
    classes = len(net.class_names) if net.has_logits else 0
    rows = features.dim() == 2 and len(features) == 5
    found.expect(rows, "forward()", "features of shape (5, D)", shape(features))
    fits = tuple(logits.shape) == (5, classes)
    found.expect(fits, "forward()", f"logits of shape (5, {classes})", shape(logits))
    kinds = {features.dtype, logits.dtype}
    found.expect(kinds == {torch.float32}, "forward()", "float32", ", ".join(map(str, kinds)))
    found.expect(finite((features, logits)), "forward()", "finite features", "some are not")
    parts = torch.cat([net(images[:2])[0], net(images[2:])[0]])
    gap = difference(features, parts)
    same = "the same features in batches of 2 and 3 as in one of 5"
    found.expect(gap < 1e-3, "forward()", same, f"a difference of {gap:.2g}")
