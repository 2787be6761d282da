"""The protocol, which determines whether two scores are comparable. It imports no torch."""

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
"""Increase this number if a change gives the same checkpoint other scores."""

LEVELS: tuple[Level, ...] = ("quick", "standard", "full")

AS_THEY_CAME = "as they came"
"""The label distribution of external images that are too few to select quotas from."""


@dataclass(frozen=True)
class Profile:
    """An evaluation profile: the number of images and seeds, and the metrics."""

    samples: int
    """Generated images per sampling seed; at most the number of reference images."""

    seeds: int
    """The number of sampling seeds. Scores are averaged over them."""

    level: Level
    """Selects the default metrics: those whose ``min_profile`` is not above this level."""

    published: bool = False
    """True to use the extractor of published scores."""


PROFILES = {
    "quick": Profile(samples=2_000, seeds=1, level="quick"),
    "standard": Profile(samples=10_000, seeds=3, level="standard"),
    "full": Profile(samples=10_000, seeds=5, level="full"),
    "published": Profile(samples=50_000, seeds=1, level="standard", published=True),
}


@dataclass(frozen=True)
class Protocol:
    """Everything that makes scores comparable, except the definition of the metric."""

    dataset: str
    split: str
    reference: str
    """The hash of the reference images (uint8) and labels."""

    reference_images: int
    image_size: int
    channels: int
    samples: int
    extractor: str
    """The architecture, the training data and the hash of the weights."""

    labels: str = "quotas of the reference, shuffled"
    quantisation: str = "rounded to uint8"
    torch_fidelity: str = version("torch-fidelity")
    format: int = FORMAT

    @classmethod
    def of(cls, dataset: Mapping[str, Any], *, samples: int, extractor: str) -> Protocol:
        """Return the protocol for scoring against the train split that a run recorded.

        The number of samples is limited to the number of reference images.
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
        """Twelve hex digits. Only scores with the same id are ranked together."""
        text = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


@dataclass(frozen=True)
class MetricSpec:
    """A requested metric, with the keys that identify its values in the recorded scores."""

    name: str
    definition: dict[str, Any]
    higher_is_better: bool | None


@dataclass(frozen=True)
class EvaluationSpec:
    """The scores to compute for one run: protocol, metrics, seeds and sampling options."""

    protocol: Protocol
    metrics: tuple[MetricSpec, ...]
    seeds: int
    bn: Bn = "running"
    raw: bool = False
    """True to score G's own weights even if averaged weights exist."""

    truncation: float | None = None
    """The strength for `GeneratorNet.truncated`; None for no truncation."""

    def key(self, checkpoint: Mapping[str, Any]) -> dict[str, Any]:
        """Return the entries that a line of recorded scores must have to apply to these weights."""
        return {
            "protocol_id": self.protocol.id,
            "weights_sha256": checkpoint["sha256"],
            "weights": "raw" if self.raw else checkpoint["weights"],
            "bn": self.bn,
            "truncation": self.truncation,
            "seeds": list(range(self.seeds)),
        }


def definition(metric: Metric, classifier: ExtractorNet | None) -> dict[str, Any]:
    """Return what a metric's value depends on in addition to the images and the extractor."""
    return {
        "version": metric.version,
        "max_images": metric.max_images,
        "options": metric.model_dump(mode="json"),
        "classifier": classifier.id
        if classifier is not None and "classifier" in metric.needs
        else None,
    }
