"""The Fréchet distance between two normal distributions, by torch-fidelity."""

from __future__ import annotations

from torch import Tensor


def frechet(fake: Tensor, real: Tensor) -> float:
    """Return |m1 - m2|^2 + Tr(S1 + S2 - 2 (S1 S2)^1/2) of float32 features (N, D) and (M, D).

    The covariances may be singular. Equal sets can give a value a rounding error below zero.
    """
    from torch_fidelity.metric_fid import (
        KEY_METRIC_FID,
        fid_features_to_statistics,
        fid_statistics_to_metric,
    )

    statistics = [fid_features_to_statistics(features) for features in (fake, real)]
    return float(fid_statistics_to_metric(*statistics, verbose=False)[KEY_METRIC_FID])
