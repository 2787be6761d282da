"""The inception score, of whatever classifier the extractor is."""

from __future__ import annotations

from pydantic import PositiveInt

from ganlab import Metric, MetricInput, hookimpl

from ._inputs import checked


class InceptionScore(Metric):
    """exp(E_x KL(p(y|x) || p(y))), the mean over ``splits`` parts of the generated images.

    p is the softmax of the extractor's logits: the best value is the number of classes, and the
    reference is not looked at. ``is_sd`` is the standard deviation over the parts.
    """

    name = "is"
    paper = "Salimans et al., 2016, arXiv:1606.03498, section 4"
    higher_is_better = True
    range = "1 to the number of classes"
    default_order = 5
    needs = ("logits",)

    splits: PositiveInt = 10
    """Average over this many parts of the generated images."""

    @property
    def min_images(self) -> int:
        return max(2, self.splits)

    def compute(self, fake: MetricInput, real: MetricInput) -> dict[str, float]:
        from torch_fidelity.metric_isc import (
            KEY_METRIC_ISC_MEAN,
            KEY_METRIC_ISC_STD,
            isc_features_to_metric,
        )

        logits = checked(fake.logits, "generated logits", minimum=self.min_images).double()
        # Beyond 745 a probability is 0 in float64, and 0 log 0 is NaN where it should be 0.
        logits = (logits - logits.amax(1, keepdim=True)).clamp(min=-700)
        score = isc_features_to_metric(logits, splits=self.splits)
        return {"is": score[KEY_METRIC_ISC_MEAN], "is_sd": score[KEY_METRIC_ISC_STD]}


@hookimpl
def register_metrics() -> list[type[Metric]]:
    return [InceptionScore]
