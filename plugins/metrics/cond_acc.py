"""Conditional accuracy: the agreement of generated images with the labels given to G."""

from __future__ import annotations

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from ganlab import Metric, MetricInput, hookimpl

AT_CHANCE = 0.05
"""An accuracy counts as chance below chance + AT_CHANCE * (1 - chance)."""


class ConditionalAccuracy(Metric):
    """Fraction of generated images that a classifier of real images assigns to the given class.

    The classifier's weights are independent of the extractor's. ``cond-acc_worst`` is the smallest
    accuracy of any class. ``cond-acc_chance`` is the accuracy expected if labels and images were
    independent. ``cond-acc_matched`` is the accuracy after the best one-to-one matching of labels
    to classes, for labels whose meaning is learned, such as InfoGAN's codes. The metric does not
    measure diversity. It warns if the accuracy is not clearly above chance.
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
            raise ValueError("the predicted classes of the generated images are missing")
        labels, predicted = fake.labels.cpu(), fake.predicted.cpu()
        correct = (predicted == labels).double()
        if not len(correct):
            raise ValueError("0 generated images: at least 1 is needed")
        classes = labels.unique()
        worst = min(float(correct[labels == c].mean()) for c in classes)
        chance = sum(
            float((labels == c).double().mean() * (predicted == c).double().mean()) for c in classes
        )
        return {
            "cond-acc": float(correct.mean()),
            "cond-acc_worst": worst,
            "cond-acc_chance": chance,
            "cond-acc_matched": _matched(labels, predicted),
        }

    def flag(self, values: dict[str, float], baseline: dict[str, float]) -> str | None:
        above = values["cond-acc"] - values["cond-acc_chance"]
        return "ignores labels" if above < AT_CHANCE * (1 - values["cond-acc_chance"]) else None


def _matched(labels: Tensor, predicted: Tensor) -> float:
    """Return the largest accuracy that a one-to-one mapping of labels to classes gives."""
    classes = int(torch.maximum(labels.max(), predicted.max())) + 1
    pairs = torch.bincount(labels * classes + predicted, minlength=classes**2)
    counts = pairs.view(classes, classes).numpy()
    return float(counts[linear_sum_assignment(counts, maximize=True)].sum() / len(labels))


@hookimpl
def register_metrics() -> list[type[Metric]]:
    return [ConditionalAccuracy]
