"""The Fréchet distance between two normal distributions, computed by torch-fidelity."""

from __future__ import annotations

from typing import Any

from torch import Tensor

Statistics = dict[str, Any]
"""Mean and covariance of a set of features, in torch-fidelity's format."""


def frechet(fake: Statistics, real: Statistics) -> float:
    """Return |m1 - m2|^2 + Tr(S1 + S2 - 2 (S1 S2)^1/2) for means m and covariances S.

    The covariances may be singular. For equal sets, rounding can make the result slightly negative.
    """
    from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_statistics_to_metric

    return float(fid_statistics_to_metric(fake, real, verbose=False)[KEY_METRIC_FID])


def statistics(features: Tensor) -> Statistics:
    """Return the mean and covariance of float32 features (N, D), N >= 2."""
    from torch_fidelity.metric_fid import fid_features_to_statistics

    found: Statistics = fid_features_to_statistics(features)
    return found
