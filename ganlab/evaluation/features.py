"""One pass of the extractor over a set of images; the reference's is cached."""

from __future__ import annotations

import logging
import os

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from ganlab.data.cache import cache_dir
from ganlab.data.prepared import Prepared
from ganlab.errors import DataError
from ganlab.files import write_atomically
from ganlab.measures import Evidence
from ganlab.nn import ExtractorNet

BATCH = 250
log = logging.getLogger("ganlab")


@torch.no_grad()
def extract(net: ExtractorNet, images: Tensor) -> tuple[Tensor, Tensor]:
    """Return features (N, D) and logits (N, K) of images (N, C, H, W) uint8."""
    if images.dtype != torch.uint8:
        raise DataError(f"images must be uint8 in 0..255, not {images.dtype}")
    parts = [net(batch) for batch in images.split(BATCH)]
    features, logits = (torch.cat(column) for column in zip(*parts, strict=True))
    if not (torch.isfinite(features).all() and torch.isfinite(logits).all()):
        raise DataError(f"{net.id} gives features that are not finite for these images")
    return features, logits


def evidence_of(
    images: Tensor, labels: Tensor, net: ExtractorNet, judge: ExtractorNet | None
) -> Evidence:
    """Return what metrics see of images (N, C, H, W) uint8 and their labels (N,)."""
    features, logits = extract(net, images)
    predicted = None if judge is None else extract(judge, images)[1].argmax(1)
    return Evidence(features, logits, labels, predicted)


def subset(evidence: Evidence, most: int | None) -> Evidence:
    """Return at most so many of the images, every class in proportion, always the same ones."""
    if most is None or len(evidence.labels) <= most:
        return evidence
    order = torch.randperm(len(evidence.labels), generator=torch.Generator().manual_seed(0))
    by_class = order[evidence.labels[order].argsort(stable=True)]
    chosen = by_class[torch.linspace(0, len(by_class) - 1, most).round().long()]
    predicted = None if evidence.predicted is None else evidence.predicted[chosen]
    return Evidence(
        evidence.features[chosen], evidence.logits[chosen], evidence.labels[chosen], predicted
    )


def reference_evidence(data: Prepared, net: ExtractorNet) -> Evidence:
    """Return the reference's features, from the cache if they are there.

    The entry is named by the hashes of images and weights, so it cannot be stale.
    """
    entry = cache_dir() / "features" / f"{data.sha256[:16]}-{net.id}.safetensors"
    if entry.is_file():
        try:
            with safe_open(entry, framework="pt") as file:
                return Evidence(file.get_tensor("features"), file.get_tensor("logits"), data.labels)
        except (SafetensorError, OSError) as error:
            log.warning("the cached features %s are damaged (%s): made again", entry, error)
    features, logits = extract(net, data.images)
    try:
        os.makedirs(entry.parent, mode=0o700, exist_ok=True)
        write_atomically(entry, save({"features": features, "logits": logits}))
    except OSError as error:
        log.warning("features are not cached in %s: %s", entry.parent, error)
    return Evidence(features, logits, data.labels)
