"""The inception score, computed with the logits of any extractor."""

from __future__ import annotations

from pydantic import PositiveInt

from ganlab import Metric, MetricInput, hookimpl

from ._inputs import checked


class InceptionScore(Metric):
    """exp(E_x KL(p(y|x) || p(y))), averaged over ``splits`` parts of the generated images.

    p is the softmax of the extractor's logits. The maximum is the number of the extractor's
    classes. The reference images are not used. ``is_sd`` is the standard deviation over the parts.
    """

    name = "is"
    paper = "Salimans et al., 2016, arXiv:1606.03498, section 4"
    higher_is_better = True
    range = "1 to the number of classes"
    default_order = 5
    needs = ("logits",)

    splits: PositiveInt = 10
    """Number of parts into which the generated images are split. 10 in the paper."""

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
        # Below e^-745 a float64 probability is 0, and 0 log 0 would be NaN instead of 0.
        logits = (logits - logits.amax(1, keepdim=True)).clamp(min=-700)
        score = isc_features_to_metric(logits, splits=self.splits)
        return {"is": score[KEY_METRIC_ISC_MEAN], "is_sd": score[KEY_METRIC_ISC_STD]}


@hookimpl
def register_metrics() -> list[type[Metric]]:
    return [InceptionScore]
