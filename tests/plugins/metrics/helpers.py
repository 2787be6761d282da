"""Small sets of features, logits and labels, as an extractor and a judge would give them."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import torch
from torch import Tensor

from ganlab import Evidence, Metric
from ganlab.plugins import Plugins

CLASSES, WIDTH = 4, 6


def evidence(seed: int, *, n: int = 80, shift: float = 0.0) -> Evidence:
    """Return images of equally many of each class, whose features and logits tell the class."""
    generator = torch.Generator().manual_seed(seed)
    centres = 4 * torch.randn(CLASSES, WIDTH, generator=torch.Generator().manual_seed(99))
    mix = torch.randn(WIDTH, WIDTH, generator=torch.Generator().manual_seed(98))
    labels = torch.arange(n) % CLASSES
    noise = torch.randn(n, WIDTH, generator=generator)
    return Evidence(
        features=centres[labels] + noise @ mix + shift,
        logits=3 * torch.eye(CLASSES)[labels] + torch.randn(n, CLASSES, generator=generator),
        labels=labels,
        predicted=labels.clone(),
    )


def changed(of: Evidence, **values: Tensor) -> Evidence:
    return Evidence(**{f.name: getattr(of, f.name) for f in fields(of)} | values)


def reordered(of: Evidence) -> Evidence:
    """Return the same images in another order."""
    order = torch.randperm(len(of.labels), generator=torch.Generator().manual_seed(5))
    return Evidence(**{f.name: getattr(of, f.name)[order] for f in fields(of)})


def relabelled(of: Evidence) -> Evidence:
    """Return the same images, as if other classes had been asked for."""
    return changed(of, labels=reordered(of).labels)


def metric(name: str, **options: Any) -> Metric:
    """Return a metric by its name; subsets of KID fit the small sets."""
    if name == "kid":
        options = {"subsets": 5, "subset_size": 30} | options
    plugins = Plugins()
    plugins.load_installed()
    found = plugins.find("metric", name).component(**options)
    assert isinstance(found, Metric)
    return found
