"""Conditional accuracy: does the generator draw what it was asked for?"""

from __future__ import annotations

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from ganlab import Metric, MetricInput, hookimpl

AT_CHANCE = 0.05
"""A share of the way from chance to perfection; who is no further than that is at chance."""


class ConditionalAccuracy(Metric):
    """The share of generated images in which the classifier sees the class that was asked for.

    The classifier is a classifier trained on real images, with other weights than the extractor's.
    ``cond-acc_worst`` is the share within the class that fares worst, ``cond-acc_chance`` what the
    same images would have if their labels meant nothing. ``cond-acc_matched`` is the share after
    the best exchange of classes, for labels that found their meaning by themselves, such as the
    codes of InfoGAN. Variety does not count.
    """

    name = "cond-acc"
    paper = "Shmelkov et al., 2018, arXiv:1807.09499 (GAN-test)"
    higher_is_better = True
    range = "0 to 1"
    default_order = 2
    min_profile = "quick"
    always_shown = True
    needs = ("classifier",)

    @property
    def min_images(self) -> int:
        return 1

    def compute(self, fake: MetricInput, real: MetricInput) -> dict[str, float]:
        if fake.predicted is None:
            raise ValueError("the generated images were not shown to a classifier")
        labels, predicted = fake.labels.cpu(), fake.predicted.cpu()
        right = (predicted == labels).double()
        if not len(right):
            raise ValueError("0 generated images: at least 1 is needed")
        classes = labels.unique()
        worst = min(float(right[labels == c].mean()) for c in classes)
        chance = sum(
            float((labels == c).double().mean() * (predicted == c).double().mean()) for c in classes
        )
        return {
            "cond-acc": float(right.mean()),
            "cond-acc_worst": worst,
            "cond-acc_chance": chance,
            "cond-acc_matched": _matched(labels, predicted),
        }

    def flag(self, values: dict[str, float], baseline: dict[str, float]) -> str | None:
        above = values["cond-acc"] - values["cond-acc_chance"]
        return "ignores labels" if above < AT_CHANCE * (1 - values["cond-acc_chance"]) else None


def _matched(labels: Tensor, predicted: Tensor) -> float:
    """Return the largest share that any one-to-one map of labels to classes gives."""
    classes = int(torch.maximum(labels.max(), predicted.max())) + 1
    pairs = torch.bincount(labels * classes + predicted, minlength=classes**2)
    counts = pairs.view(classes, classes).numpy()
    return float(counts[linear_sum_assignment(counts, maximize=True)].sum() / len(labels))


@hookimpl
def register_metrics() -> list[type[Metric]]:
    return [ConditionalAccuracy]
