"""No conditioning: the control of every comparison."""

from __future__ import annotations

from ganlab import Conditioning, hookimpl


class NoConditioning(Conditioning):
    """Neither network sees the label."""

    name = "none"


@hookimpl
def register_conditionings() -> list[type[Conditioning]]:
    return [NoConditioning]
