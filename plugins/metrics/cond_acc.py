"""Conditional accuracy: does the generator draw what it was asked for?"""

from __future__ import annotations

from ganlab import Evidence, Metric, hookimpl


class ConditionalAccuracy(Metric):
    """The share of generated images in which the judge sees the class that was asked for.

    The judge is a classifier trained on real images, with other weights than the extractor's.
    ``cond-acc_worst`` is the share within the class that fares worst. Variety does not count.
    """

    name = "cond-acc"
    paper = "Shmelkov et al., 2018, arXiv:1807.09499 (GAN-test)"
    higher_is_better = True
    default = 2
    needs_judge = True

    @property
    def minimum(self) -> int:
        return 1

    def compute(self, fake: Evidence, real: Evidence) -> dict[str, float]:
        if fake.predicted is None:
            raise ValueError("the generated images were not shown to a judge")
        labels = fake.labels.cpu()
        right = (fake.predicted.cpu() == labels).double()
        if not len(right):
            raise ValueError("0 generated images: at least 1 is needed")
        worst = min(float(right[labels == c].mean()) for c in labels.unique())
        return {"cond-acc": float(right.mean()), "cond-acc_worst": worst}


@hookimpl
def register_metrics() -> list[type[Metric]]:
    return [ConditionalAccuracy]
