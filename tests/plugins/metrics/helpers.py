"""Small sets of images with features, logits and predicted classes."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import torch
from torch import Tensor

from ganlab import Metric, MetricInput
from ganlab.plugins import Plugins

CLASSES, WIDTH = 4, 6
FITTING: dict[str, dict[str, Any]] = {
    "cas": {"epochs": 1},
    "kid": {"subsets": 5, "subset_size": 30},
}


def metric_input(seed: int, *, n: int = 80, shift: float = 0.0) -> MetricInput:
    """Return a balanced set of images whose features and logits depend on the class."""
    generator = torch.Generator().manual_seed(seed)
    centres = 4 * torch.randn(CLASSES, WIDTH, generator=torch.Generator().manual_seed(99))
    mix = torch.randn(WIDTH, WIDTH, generator=torch.Generator().manual_seed(98))
    labels = torch.arange(n) % CLASSES
    noise = torch.randn(n, WIDTH, generator=generator)
    return MetricInput(
        features=centres[labels] + noise @ mix + shift,
        logits=3 * torch.eye(CLASSES)[labels] + torch.randn(n, CLASSES, generator=generator),
        labels=labels,
        predicted=labels.clone(),
        images=drawn(labels, generator),
    )


def drawn(labels: Tensor, generator: torch.Generator) -> Tensor:
    """Return dark noise (N, 1, 8, 8) uint8 with a bright quadrant that shows the class."""
    images = torch.randint(100, (len(labels), 1, 8, 8), generator=generator, dtype=torch.uint8)
    for image, label in zip(images, labels.tolist(), strict=True):
        top, left = 4 * (label // 2), 4 * (label % 2)
        image[:, top : top + 4, left : left + 4] += 100
    return images


def changed(of: MetricInput, **values: Tensor | MetricInput | None) -> MetricInput:
    return replace(of, **values)  # type: ignore[arg-type]


def reordered(of: MetricInput) -> MetricInput:
    """Return the same images in another order."""
    order = torch.randperm(len(of.labels), generator=torch.Generator().manual_seed(5))
    parts = {f.name: getattr(of, f.name) for f in fields(of)}
    held_out = parts.pop("held_out")
    return MetricInput(
        **{name: None if part is None else part[order] for name, part in parts.items()},
        held_out=None if held_out is None else reordered(held_out),
    )


def relabelled(of: MetricInput) -> MetricInput:
    """Return the same images with other labels."""
    return changed(of, labels=reordered(of).labels)


def metric(name: str, **options: Any) -> Metric:
    """Return a metric by its name, with options for small sets."""
    options = FITTING.get(name, {}) | options
    plugins = Plugins()
    plugins.load_installed()
    found = plugins.find("metric", name).component(**options)
    assert isinstance(found, Metric)
    return found
