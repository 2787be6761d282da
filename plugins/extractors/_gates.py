"""The checks ("gates") that a trained extractor must pass before it is saved."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_isc import isc_features_to_metric

from ganlab.seeds import derive_seed
from ganlab.types import Prepared

from ._cnn import Cnn1
from ._training import accuracy, extract

KNOWN = {"mnist": (60_000, 0.98), "digits": (1_500, 0.95)}
"""Dataset -> (size of the train split, required accuracy), for datasets with a known result."""

LEAST_IS_SHARE = 0.85
"""Required inception score of these datasets, as a fraction of the number of classes."""

SAME = 1e-6
"""Tolerance of the FID between equal sets."""

SAME_FEW = 1e-2
"""The same tolerance if there are hardly more images than features: rounding errors are larger
because the covariance is nearly singular."""

LARGEST = 10_000
"""Maximum number of images in each set of a distance."""

NOISE_PERCENT = (2, 5, 10)
"""Standard deviations of the noise, in percent of the pixel range."""


@dataclass(frozen=True)
class Gate:
    """One check: its name, the requirement, the measured value or values, and the result."""

    name: str
    demand: str
    measured: float | list[float]
    passed: bool


@dataclass(frozen=True)
class Findings:
    """The measurements of a trained network, which its card records."""

    accuracy: float
    gates: list[Gate]
    real_baselines: dict[str, dict[str, Any]]
    """Distances between sets of real images: the smallest distances that can be resolved."""

    def failed(self) -> list[str]:
        return [f"{g.name} is {g.measured}, not {g.demand}" for g in self.gates if not g.passed]

    def recorded(self) -> dict[str, Any]:
        return asdict(self)


def is_known(train: Prepared) -> bool:
    """Return True if this is the full train split of a dataset in `KNOWN`."""
    return train.source in KNOWN and len(train.images) >= KNOWN[train.source][0]


def least_accuracy(train: Prepared) -> float:
    """Return the required accuracy: for unknown datasets three times chance, at most 0.75."""
    return KNOWN[train.source][1] if is_known(train) else min(3 / train.spec.num_classes, 0.75)


def accuracy_gate(value: float, train: Prepared) -> Gate:
    least = least_accuracy(train)
    return Gate("accuracy", f">= {least:g}", value, value >= least)


def examine_classifier(net: Cnn1, train: Prepared, test: Prepared) -> Findings:
    """Check a network of which only the predicted classes are used."""
    value = accuracy(extract(net, test.images)[1], test.labels)
    return Findings(value, [accuracy_gate(value, train)], {})


def class_counts(num_classes: int) -> list[int]:
    """Return the numbers of classes to keep: 90 %, 80 % and 50 % of them, in descending order.

    Each number is at least 1; duplicates are removed.
    """
    tenth = max(1, num_classes // 10)
    kept = {num_classes - tenth, num_classes - 2 * tenth, num_classes // 2}
    return sorted((count for count in kept if count > 0), reverse=True)


def examine(net: Cnn1, train: Prepared, test: Prepared) -> Findings:
    """Check a network of which distances are used, on real images and on corrupted ones."""
    generator = torch.Generator().manual_seed(derive_seed("gates"))
    features = extract(net, train.images)[0]
    test_features, test_logits = extract(net, test.images)
    order = torch.randperm(len(features), generator=generator)
    half = len(order) // 2
    reference, other = order[:half][:LARGEST], order[half:][:LARGEST]
    reference_statistics = Statistics(features[reference])

    # The reference images themselves are corrupted. Between different images the sampling error
    # would add to the distance, and with a few hundred images it would dominate.
    images, labels = train.images[reference], train.labels[reference]
    noisy = [
        reference_statistics.distance(extract(net, with_noise(images, percent, generator))[0])
        for percent in NOISE_PERCENT
    ]
    classes = train.spec.num_classes
    kept = class_counts(classes)
    dropped = [reference_statistics.distance(features[reference][labels < count]) for count in kept]
    same = reference_statistics.distance(features[reference])
    value = accuracy(test_logits, test.labels)
    tolerance = SAME if len(reference) > 1.1 * features.shape[1] else SAME_FEW
    score = isc_features_to_metric(test_logits, splits=1)["inception_score_mean"]

    gates = [
        accuracy_gate(value, train),
        Gate("FID of images from themselves", f"within {tolerance:g}", same, abs(same) < tolerance),
        rising_gate(f"FID after noise of {_listed(NOISE_PERCENT)} %", noisy),
        rising_gate(f"FID with {_listed(kept)} classes", dropped),
    ]
    if is_known(train):
        least = LEAST_IS_SHARE * classes
        gates.append(Gate("IS of the test split", f">= {least:g}", score, score >= least))
    real_baselines = {
        "halves of train": real_baseline(
            Statistics(features[order[:half]]).distance(features[order[half:]]),
            half,
            len(order) - half,
        ),
        "parts of those": real_baseline(
            reference_statistics.distance(features[other]), len(reference), len(other)
        ),
        "test from train": real_baseline(
            Statistics(features).distance(test_features), len(test_features), len(features)
        ),
    }
    return Findings(value, gates, real_baselines)


class Statistics:
    """The mean and covariance of reference features (N, D)."""

    def __init__(self, features: Tensor) -> None:
        self.reference = fid_features_to_statistics(features.double())

    def distance(self, features: Tensor) -> float:
        """Return the FID of ``features`` (N, D) from the reference.

        Return NaN, which fails every gate, for N < 2.
        """
        if len(features) < 2:
            return math.nan
        statistics = fid_features_to_statistics(features.double())
        result = fid_statistics_to_metric(statistics, self.reference, verbose=False)
        return float(result["frechet_inception_distance"])


def rising_gate(name: str, values: Sequence[float]) -> Gate:
    """Return a gate that requires each value to be larger than the previous one."""
    return Gate(name, "rising", list(values), all(a < b for a, b in pairwise(values)))


def real_baseline(distance: float, count: int, reference: int) -> dict[str, Any]:
    """Return the card's entry for the FID between two sets of real images of these sizes."""
    return {"fid": distance, "images": count, "reference_images": reference}


def with_noise(images: Tensor, percent: float, generator: torch.Generator) -> Tensor:
    """Add Gaussian noise to uint8 images and clamp to 0..255.

    ``percent`` is the standard deviation in percent of the pixel range.
    """
    noise = torch.randn(images.shape, generator=generator) * (255 * percent / 100)
    return (images + noise).round().clamp(0, 255).to(torch.uint8)


def _listed(values: Sequence[int]) -> str:
    return ", ".join(map(str, values))
