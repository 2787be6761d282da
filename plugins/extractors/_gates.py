"""What a trained extractor must show before it measures anything."""

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
"""Least accuracies of datasets that these networks know nearly by heart, given so many images."""

LEAST_IS_SHARE = 0.85
"""Of the number of classes, for these datasets."""

SAME = 1e-6
SAME_FEW = 1e-2
"""Where images are hardly more than features: directions without variance show the rounding."""

LARGEST = 10_000
"""Images on either side of a gate's distance, at most."""

NOISE_PERCENT = (2, 5, 10)
"""Standard deviation, of the range of pixels."""


@dataclass(frozen=True)
class Gate:
    """One demand."""

    name: str
    demand: str
    measured: float | list[float]
    passed: bool


@dataclass(frozen=True)
class Findings:
    """What a card says of the finished network."""

    accuracy: float
    gates: list[Gate]
    real_baselines: dict[str, dict[str, Any]]
    """Distances between real images: no generator can be told to be nearer than that."""

    def failed(self) -> list[str]:
        return [f"{g.name} is {g.measured}, not {g.demand}" for g in self.gates if not g.passed]

    def recorded(self) -> dict[str, Any]:
        return asdict(self)


def is_known(train: Prepared) -> bool:
    """Return whether this is one of the known datasets, in full."""
    return train.source in KNOWN and len(train.images) >= KNOWN[train.source][0]


def least_accuracy(train: Prepared) -> float:
    """Return the accuracy to demand: for unknown datasets three times that of guessing."""
    return KNOWN[train.source][1] if is_known(train) else min(3 / train.spec.num_classes, 0.75)


def accuracy_gate(value: float, train: Prepared) -> Gate:
    least = least_accuracy(train)
    return Gate("accuracy", f">= {least:g}", value, value >= least)


def examine_judge(net: Cnn1, train: Prepared, test: Prepared) -> Findings:
    """Measure a network whose classes alone are used."""
    value = accuracy(extract(net, test.images)[1], test.labels)
    return Findings(value, [accuracy_gate(value, train)], {})


def rungs(num_classes: int) -> list[int]:
    """Return how many classes are kept: all but a tenth, all but a fifth, half; at least one."""
    tenth = max(1, num_classes // 10)
    kept = {num_classes - tenth, num_classes - 2 * tenth, num_classes // 2}
    return sorted((count for count in kept if count > 0), reverse=True)


def examine(net: Cnn1, train: Prepared, test: Prepared) -> Findings:
    """Measure a network whose distances are used, on real images and on damaged ones."""
    generator = torch.Generator().manual_seed(derive_seed("gates"))
    features = extract(net, train.images)[0]
    test_features, test_logits = extract(net, test.images)
    order = torch.randperm(len(features), generator=generator)
    half = len(order) // 2
    reference, other = order[:half][:LARGEST], order[half:][:LARGEST]
    at = Statistics(features[reference])

    # The reference itself is damaged: between other images chance would count too, and of a few
    # hundred more than the damage.
    images, labels = train.images[reference], train.labels[reference]
    noisy = [
        at.distance(extract(net, with_noise(images, percent, generator))[0])
        for percent in NOISE_PERCENT
    ]
    classes = train.spec.num_classes
    kept = rungs(classes)
    dropped = [at.distance(features[reference][labels < count]) for count in kept]
    same = at.distance(features[reference])
    value = accuracy(test_logits, test.labels)
    within = SAME if len(reference) > 1.1 * features.shape[1] else SAME_FEW
    score = isc_features_to_metric(test_logits, splits=1)["inception_score_mean"]

    gates = [
        accuracy_gate(value, train),
        Gate("FID of images from themselves", f"within {within:g}", same, abs(same) < within),
        rising(f"FID after noise of {_listed(NOISE_PERCENT)} %", noisy),
        rising(f"FID with {_listed(kept)} classes", dropped),
    ]
    if is_known(train):
        least = LEAST_IS_SHARE * classes
        gates.append(Gate("IS of the test split", f">= {least:g}", score, score >= least))
    whole = Statistics(features)
    real_baselines = {
        "halves of train": floor(
            Statistics(features[order[:half]]).distance(features[order[half:]]),
            half,
            len(order) - half,
        ),
        "parts of those": floor(at.distance(features[other]), len(reference), len(other)),
        "test from train": floor(whole.distance(test_features), len(test_features), len(features)),
    }
    return Findings(value, gates, real_baselines)


class Statistics:
    """Mean and covariance of features (N, D), to measure others from."""

    def __init__(self, features: Tensor) -> None:
        self.own = fid_features_to_statistics(features.double())

    def distance(self, features: Tensor) -> float:
        """Return the FID; NaN, which no gate lets pass, of too few images for a covariance."""
        if len(features) < 2:
            return math.nan
        others = fid_features_to_statistics(features.double())
        found = fid_statistics_to_metric(others, self.own, verbose=False)
        return float(found["frechet_inception_distance"])


def rising(name: str, values: Sequence[float]) -> Gate:
    """Demand that each value is larger than the one before."""
    return Gate(name, "rising", list(values), all(a < b for a, b in pairwise(values)))


def floor(distance: float, count: int, reference: int) -> dict[str, Any]:
    return {"fid": distance, "images": count, "reference_images": reference}


def with_noise(images: Tensor, percent: float, generator: torch.Generator) -> Tensor:
    """Add Gaussian noise to uint8 images; what leaves the range is cut off."""
    noise = torch.randn(images.shape, generator=generator) * (255 * percent / 100)
    return (images + noise).round().clamp(0, 255).to(torch.uint8)


def _listed(values: Sequence[int]) -> str:
    return ", ".join(map(str, values))
