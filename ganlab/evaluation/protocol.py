"""What decides whether two scores compare: hashed into an id that every score carries."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

import torch
from torch import Tensor

from ganlab.data.prepared import Prepared
from ganlab.measures import Metric
from ganlab.seeds import mix

FORMAT = 1
"""Raise it when scores of the same checkpoint would come out otherwise."""


@dataclass(frozen=True)
class Profile:
    """How much a score is based on."""

    samples: int
    """Generated images for each sampling seed; never more than the reference has."""

    seeds: int
    """Sampling seeds, whose scores are averaged."""


PROFILES = {
    "quick": Profile(samples=2_000, seeds=1),
    "standard": Profile(samples=10_000, seeds=3),
    "full": Profile(samples=10_000, seeds=5),
}


@dataclass(frozen=True)
class Protocol:
    """Everything that decides comparability, apart from the metric's own definition."""

    dataset: str
    split: str
    reference: str
    """Hash of the reference images and labels, as uint8."""

    reference_images: int
    image_size: int
    channels: int
    samples: int
    extractor: str
    """Architecture, training data and hash of the weights."""

    judge: str
    labels: str = "quotas of the reference, shuffled"
    quantisation: str = "rounded to uint8"
    torch_fidelity: str = version("torch-fidelity")
    format: int = FORMAT

    @classmethod
    def of(
        cls, data: Prepared, *, split: str, samples: int, extractor: str, judge: str
    ) -> Protocol:
        """Return the protocol of scoring against these reference images."""
        return cls(
            dataset=data.source,
            split=split,
            reference=data.sha256,
            reference_images=len(data.images),
            image_size=data.spec.image_size,
            channels=data.spec.channels,
            samples=samples,
            extractor=extractor,
            judge=judge,
        )

    @property
    def id(self) -> str:
        """Twelve hex digits: only scores with the same id are ranked together."""
        text = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def definition(metric: Metric) -> dict[str, Any]:
    """Return what decides a metric's value for the same evidence."""
    options = metric.model_dump(mode="json")
    return {"version": metric.version, "most": metric.most, "options": options}


def quota_labels(reference: Tensor, num_classes: int, *, samples: int, seed: int) -> Tensor:
    """Return labels (samples,) distributed like the reference's, in an order that the seed decides.

    Quotas go by the largest remainder: drawing labels at random would add to the spread of scores.
    """
    counts = torch.bincount(reference, minlength=num_classes).double()
    exact = counts / counts.sum() * samples
    quotas = exact.floor().long()
    missing = samples - int(quotas.sum())
    quotas[(exact - quotas).argsort(descending=True, stable=True)[:missing]] += 1
    labels = torch.repeat_interleave(torch.arange(num_classes), quotas)
    generator = torch.Generator().manual_seed(mix(seed, "labels"))
    return labels[torch.randperm(samples, generator=generator)]
