"""No conditioning: the baseline of a comparison."""

from __future__ import annotations

from ganlab import Conditioning, hookimpl


class NoConditioning(Conditioning):
    """Leave the network unconditioned: it does not see the label."""

    name = "none"


@hookimpl
def register_conditionings() -> list[type[Conditioning]]:
    return [NoConditioning]
