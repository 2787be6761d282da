"""The Fréchet inception distance."""

from __future__ import annotations

from ganlab import Metric, MetricInput, hookimpl

from ._cache import cached
from ._frechet import frechet, statistics
from ._inputs import checked_features


class FID(Metric):
    """|m_f - m_r|^2 + Tr(S_f + S_r - 2 (S_f S_r)^1/2) with means m and covariances S of features.

    f are the generated and r the reference images. FID has an upward bias of order 1/N that
    depends on the model: compare only values with the same N. It ignores labels: do not compare
    conditional models by FID alone.
    """

    name = "fid"
    paper = "Heusel et al., 2017, arXiv:1706.08500, equation 6"
    higher_is_better = False
    range = "0 and up"
    default_order = 1
    min_profile = "quick"

    def compute(self, fake: MetricInput, real: MetricInput) -> dict[str, float]:
        fakes, reals = checked_features(fake, real, minimum=self.min_images)
        reference = cached(real.features, "all", lambda: statistics(reals))
        return {"fid": frechet(statistics(fakes), reference)}


@hookimpl
def register_metrics() -> list[type[Metric]]:
    return [FID]
