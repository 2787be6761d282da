"""Validation and selection of the input of metrics.

A library may turn a NaN into a plausible number, so every metric validates its input first.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ganlab import MetricInput


def checked(values: Tensor, what: str, *, minimum: int) -> Tensor:
    """Return ``values`` (N, D), detached, on the CPU. ``what`` names them in an error.

    Raises ValueError if N < ``minimum`` or if a value is not finite.
    """
    if len(values) < minimum:
        raise ValueError(f"{len(values):,} {what}: at least {minimum:,} are needed")
    values = values.detach().cpu()
    if not values.isfinite().all():
        raise ValueError(f"{what} are not finite")
    return values


def checked_features(
    fake: MetricInput, real: MetricInput, *, minimum: int
) -> tuple[Tensor, Tensor]:
    """Return the features of both sets, (N, D) and (M, D), validated by `checked`."""
    return (
        checked(fake.features, "generated features", minimum=minimum),
        checked(real.features, "reference features", minimum=minimum),
    )


def ordered(features: Tensor) -> Tensor:
    """Return the indices (N,) that sort the rows of ``features`` (N, D) by their sum.

    With these indices, a result does not depend on the order of the images.
    """
    return features.sum(1, dtype=torch.float64).argsort(stable=True)


def subsample(features: Tensor, maximum: int) -> Tensor:
    """Return the indices of at most ``maximum`` rows of ``features`` (N, D).

    The rows are taken at equal steps from the rows sorted by their sum, so that the choice does not
    depend on the order of the images.
    """
    if len(features) <= maximum:
        return torch.arange(len(features))
    places = torch.linspace(0, len(features) - 1, maximum, dtype=torch.float64).round().long()
    return ordered(features)[places]
