"""What decides whether two scores compare. It needs no torch, like all that only reads scores."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ganlab.metrics import Level, Metric
    from ganlab.nn import ExtractorNet
    from ganlab.training.generate import Bn

FORMAT = 3
"""Raise it when scores of the same checkpoint would come out otherwise."""

LEVELS: tuple[Level, ...] = ("quick", "standard", "full")

AS_THEY_CAME = "as they came"
"""How labels are distributed where there are too few images to choose from."""


@dataclass(frozen=True)
class Profile:
    """How much a score is based on."""

    samples: int
    """Generated images for each sampling seed; never more than the reference has."""

    seeds: int
    """Sampling seeds, whose scores are averaged."""

    level: Level
    """Which metrics are computed when none is named."""

    published: bool = False
    """Features come from the extractor that published scores come from."""


PROFILES = {
    "quick": Profile(samples=2_000, seeds=1, level="quick"),
    "standard": Profile(samples=10_000, seeds=3, level="standard"),
    "full": Profile(samples=10_000, seeds=5, level="full"),
    "published": Profile(samples=50_000, seeds=1, level="standard", published=True),
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

    labels: str = "quotas of the reference, shuffled"
    quantisation: str = "rounded to uint8"
    torch_fidelity: str = version("torch-fidelity")
    format: int = FORMAT

    @classmethod
    def of(cls, dataset: Mapping[str, Any], *, samples: int, extractor: str) -> Protocol:
        """Return the protocol of scoring against the train split that a run says it learned from.

        No more images are drawn than the reference has.
        """
        return cls(
            dataset=dataset["name"],
            split="train",
            reference=dataset["sha256"],
            reference_images=dataset["images"],
            image_size=dataset["image_size"],
            channels=dataset["channels"],
            samples=min(samples, dataset["images"]),
            extractor=extractor,
        )

    @property
    def id(self) -> str:
        """Twelve hex digits: only scores with the same id are ranked together."""
        text = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


@dataclass(frozen=True)
class MetricSpec:
    """A metric that was asked for: all that is needed to find its values in a record."""

    name: str
    definition: dict[str, Any]
    higher_is_better: bool | None


@dataclass(frozen=True)
class EvaluationSpec:
    """What is asked of one run."""

    protocol: Protocol
    metrics: tuple[MetricSpec, ...]
    seeds: int
    bn: Bn = "running"
    raw: bool = False
    """G's own weights are scored, though averaged ones are there."""

    truncation: float | None = None
    """What `GeneratorNet.truncated` is called with; None if it is not."""

    def key(self, checkpoint: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a line of scores must say to be an answer for these weights."""
        return {
            "protocol_id": self.protocol.id,
            "weights_sha256": checkpoint["sha256"],
            "weights": "raw" if self.raw else checkpoint["weights"],
            "bn": self.bn,
            "truncation": self.truncation,
            "seeds": list(range(self.seeds)),
        }


def definition(metric: Metric, classifier: ExtractorNet | None) -> dict[str, Any]:
    """Return what decides a metric's value for the same images and extractor."""
    return {
        "version": metric.version,
        "max_images": metric.max_images,
        "options": metric.model_dump(mode="json"),
        "classifier": classifier.id
        if classifier is not None and "classifier" in metric.needs
        else None,
    }
