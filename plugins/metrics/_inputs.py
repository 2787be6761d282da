"""What every metric asks of its tensors, before a library turns a NaN into a plausible number."""

from __future__ import annotations

from torch import Tensor

from ganlab import Evidence


def checked(values: Tensor, what: str, *, minimum: int) -> Tensor:
    """Return (N, D) on the CPU. Raises ValueError if N is too small or a value is not finite."""
    if len(values) < minimum:
        raise ValueError(f"{len(values):,} {what}: at least {minimum:,} are needed")
    values = values.detach().cpu()
    if not values.isfinite().all():
        raise ValueError(f"{what} are not finite")
    return values


def checked_features(fake: Evidence, real: Evidence, *, minimum: int) -> tuple[Tensor, Tensor]:
    """Return the features of both sets, (N, D) and (M, D), after `checked`."""
    return (
        checked(fake.features, "generated features", minimum=minimum),
        checked(real.features, "reference features", minimum=minimum),
    )
