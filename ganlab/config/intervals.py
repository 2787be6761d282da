"""Options that say how often something happens, such as ``500 steps``."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema
from pydantic.config import JsonDict

NOT_IN_HASH: JsonDict = {"identity": False}
"""Marks an option that may differ between the sessions of a run: the run's hash leaves it out."""


UNITS = ("steps", "images", "epochs", "seconds")


@dataclass(frozen=True)
class Interval:
    """How often something happens: ``1 epoch``, ``500 steps``, ``10000 images``, ``60 seconds``."""

    every: float
    unit: Literal["steps", "images", "epochs", "seconds"]

    def __str__(self) -> str:
        number = int(self.every) if self.every == int(self.every) else self.every
        return f"{number} {self.unit[:-1] if number == 1 else self.unit}"

    @classmethod
    def parse(cls, value: Any) -> Interval | None:
        """Parse ``<number> <unit>``. Return None for null, ``never`` and 0, which mean not at all.

        Raises `ValueError` for anything else.
        """
        if isinstance(value, Interval) or value is None:
            return value
        allowed = "write '1 epoch', '500 steps', '10000 images', '60 seconds' or 'never'"
        text = str(value).strip().lower()
        if text in ("never", "0"):
            return None
        number, _, unit = text.partition(" ")
        unit = unit.strip().rstrip("s") + "s"
        try:
            every = float(number.replace("_", ""))
        except ValueError:
            raise ValueError(f"{value!r} is not an interval; {allowed}") from None
        if unit not in UNITS or not 0 < every < math.inf:
            raise ValueError(f"{value!r} is not an interval; {allowed}")
        if unit == "steps" and every != int(every):
            raise ValueError(f"{value!r}: the number of steps must be a whole number; {allowed}")
        return cls(every, unit)  # type: ignore[arg-type]


Every = Annotated[
    Interval | None,
    BeforeValidator(Interval.parse),
    PlainSerializer(lambda interval: None if interval is None else str(interval)),
    WithJsonSchema({"type": ["string", "null"], "examples": ["1 epoch", "500 steps", "never"]}),
    Field(json_schema_extra=NOT_IN_HASH),
]
