"""Extractor features and logits of a set of images. The results for real images are cached."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from ganlab.data.memory_mapped import gather_rows
from ganlab.errors import DataError
from ganlab.events import Detail, Tell, ignore, phase
from ganlab.files import cache_dir, write_atomically
from ganlab.metrics import Metric, MetricInput
from ganlab.nn import ExtractorNet
from ganlab.seeds import seeded
from ganlab.training import generate
from ganlab.types import Prepared

log = logging.getLogger("ganlab")


@torch.no_grad()
def extract(net: ExtractorNet, images: Tensor, *, tell: Tell = ignore) -> tuple[Tensor, Tensor]:
    """Return features (N, D) and logits (N, K) of images (N, C, H, W) uint8, on the CPU.

    They are computed on the device of the network, in float32 without TF32. Raises `DataError` for
    images that are not uint8, and for features that are not finite.
    """
    if images.dtype != torch.uint8:
        raise DataError(f"images must be uint8 in 0..255, not {images.dtype}")
    device = device_of(net)
    parts = []
    with (
        _full_precision(),
        phase(tell, "extracting features", total=len(images), unit="images") as extracting,
    ):
        for batch in images.split(generate.BATCH):
            features, logits = net(batch.to(device))
            parts.append((features.cpu(), logits.cpu()))
            extracting.advance(len(batch))
    features, logits = (torch.cat(column) for column in zip(*parts, strict=True))
    if not (torch.isfinite(features).all() and torch.isfinite(logits).all()):
        raise DataError(f"{net.id} gives features that are not finite for these images")
    return features, logits


def device_of(net: ExtractorNet) -> torch.device:
    """Return the device of a network; the CPU for a network without tensors."""
    return next((t.device for t in (*net.parameters(), *net.buffers())), torch.device("cpu"))


def metric_input_of(
    images: Tensor,
    labels: Tensor,
    net: ExtractorNet,
    classifier: ExtractorNet | None,
    *,
    tell: Tell = ignore,
) -> MetricInput:
    """Return the metric input of images (N, C, H, W) uint8 and their labels (N,)."""
    features, logits = extract(net, images, tell=tell)
    return MetricInput(features, logits, labels, classify(classifier, images), images)


def classify(classifier: ExtractorNet | None, images: Tensor) -> Tensor | None:
    """Return the classifier's predictions (N,), or None without a classifier."""
    return None if classifier is None else extract(classifier, images)[1].argmax(1)


def real_metric_input(data: Prepared, net: ExtractorNet, *, tell: Tell = ignore) -> MetricInput:
    """Return the metric input of real images, from the cache if possible.

    The cache key contains the hashes of images and weights, so an entry cannot be stale.
    """
    entry = cache_dir() / "features" / f"{data.sha256[:16]}-{net.id}.safetensors"
    found = _cached(entry, count=len(data.images))
    if found is None:
        tell(Detail(f"features of {len(data.images):,} real images of {data.source}"))
        found = extract(net, data.images, tell=tell)
        _cache(entry, *found)
    return MetricInput(*found, data.labels, images=data.images)


def compute(metric: Metric, fake: MetricInput, real: MetricInput) -> dict[str, float]:
    """Return the values of a metric. Raises ValueError for values that cannot be recorded.

    The metric runs with a fixed seed, and all random states are restored afterwards.
    """
    with seeded(0, torch.device("cpu")):
        values = metric.compute(subset(fake, metric.max_images), subset(real, metric.max_images))
    if metric.name not in values:
        raise ValueError(f"it gives no value called '{metric.name}', by which to rank")
    for name, value in values.items():
        if not math.isfinite(value):
            raise ValueError(f"{name} is {value}: not recorded")
    return {name: float(value) for name, value in values.items()}


def chosen(metric_input: MetricInput, indices: Tensor) -> MetricInput:
    """Return the metric input of the images at these indices."""
    predicted, images = metric_input.predicted, metric_input.images
    return MetricInput(
        metric_input.features[indices],
        metric_input.logits[indices],
        metric_input.labels[indices],
        None if predicted is None else predicted[indices],
        None if images is None else gather_rows(images, indices),
    )


def joined(parts: Sequence[MetricInput]) -> MetricInput:
    """Concatenate the metric inputs of parts of a set of generated images, in order."""
    predicted = [part.predicted for part in parts if part.predicted is not None]
    images = [part.images for part in parts if part.images is not None]
    return MetricInput(
        torch.cat([part.features for part in parts]),
        torch.cat([part.logits for part in parts]),
        torch.cat([part.labels for part in parts]),
        torch.cat(predicted) if predicted else None,
        torch.cat(images) if images else None,
    )


def subset(metric_input: MetricInput, most: int | None) -> MetricInput:
    """Return a deterministic subset of at most ``most`` images, in class proportions."""
    if most is None or len(metric_input.labels) <= most:
        return metric_input
    by_class = _by_class(metric_input.labels, seed=0)
    some = by_class[torch.linspace(0, len(by_class) - 1, most).round().long()]
    return replace(chosen(metric_input, some), held_out=metric_input.held_out)


def halves(metric_input: MetricInput, *, samples: int) -> tuple[MetricInput, MetricInput]:
    """Split real images into two disjoint parts; the first has the class proportions of all.

    The first part has ``samples`` images, or half of all images if there are fewer than twice that.
    """
    by_class = _by_class(metric_input.labels, seed=1)
    count = min(samples, len(by_class) // 2)
    first = torch.zeros(len(by_class), dtype=torch.bool)
    first[by_class[torch.linspace(0, len(by_class) - 1, count).round().long()]] = True
    return chosen(metric_input, first.nonzero().flatten()), chosen(
        metric_input, (~first).nonzero()[:, 0]
    )


def _by_class(labels: Tensor, *, seed: int) -> Tensor:
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    return order[labels[order].argsort(stable=True)]


def _cached(entry: Path, *, count: int) -> tuple[Tensor, Tensor] | None:
    if not entry.is_file():
        return None
    try:
        with safe_open(entry, framework="pt") as file:
            features, logits = file.get_tensor("features"), file.get_tensor("logits")
        if not len(features) == len(logits) == count:
            raise ValueError("it is of other images")
        return features, logits
    except (SafetensorError, OSError, ValueError) as error:
        log.warning("the cached features %s are damaged (%s): made again", entry, error)
        return None


def _cache(entry: Path, features: Tensor, logits: Tensor) -> None:
    try:
        os.makedirs(entry.parent, mode=0o700, exist_ok=True)
        write_atomically(entry, save({"features": features, "logits": logits}))
    except OSError as error:
        log.warning("features are not cached in %s: %s", entry.parent, error)


@contextmanager
def _full_precision() -> Iterator[None]:
    """Disable TF32, so that scores are the same on every GPU."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before
