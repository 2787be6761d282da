"""What every metric asks of its tensors, before a library turns a NaN into a plausible number."""

from __future__ import annotations

import torch
from torch import Tensor

from ganlab import MetricInput


def checked(values: Tensor, what: str, *, minimum: int) -> Tensor:
    """Return (N, D) on the CPU. Raises ValueError if N is too small or a value is not finite."""
    if len(values) < minimum:
        raise ValueError(f"{len(values):,} {what}: at least {minimum:,} are needed")
    values = values.detach().cpu()
    if not values.isfinite().all():
        raise ValueError(f"{what} are not finite")
    return values


def checked_features(
    fake: MetricInput, real: MetricInput, *, minimum: int
) -> tuple[Tensor, Tensor]:
    """Return the features of both sets, (N, D) and (M, D), after `checked`."""
    return (
        checked(fake.features, "generated features", minimum=minimum),
        checked(real.features, "reference features", minimum=minimum),
    )


def ordered(features: Tensor) -> Tensor:
    """Return the indices (N,) that bring the rows of (N, D), whatever their order, into one."""
    return features.sum(1, dtype=torch.float64).argsort(stable=True)


def spread(features: Tensor, most: int) -> Tensor:
    """Return the indices of at most so many rows of (N, D), evenly chosen along their sum.

    Which ones are chosen does not depend on the order that they are in.
    """
    if len(features) <= most:
        return torch.arange(len(features))
    places = torch.linspace(0, len(features) - 1, most, dtype=torch.float64).round().long()
    return ordered(features)[places]
