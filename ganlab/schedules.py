"""Options whose value changes during training, such as ``1 to 0 over 10000 images``."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, WithJsonSchema

PATTERN = re.compile(r"(\S+) to (\S+) over (\S+) images(?:, (linear|geometric|cosine))?")
ALLOWED = (
    "write a number, '1 to 0 over 10000 images', or with ', cosine' or ', geometric' at its end"
)


@dataclass(frozen=True)
class Schedule:
    """A number >= 0 that changes from ``start`` to ``end`` over a number of real images."""

    start: float
    end: float
    over_images: float
    shape: Literal["linear", "geometric", "cosine"] = "linear"
    """How the value changes: by a constant difference per image (linear), by a constant factor
    (geometric), or along half a period of a cosine."""

    def __str__(self) -> str:
        start, end, images = (_format_number(n) for n in (self.start, self.end, self.over_images))
        shape = "" if self.shape == "linear" else f", {self.shape}"
        return f"{start} to {end} over {images} images{shape}"

    def at(self, images: int) -> float:
        """Return the value after D has been shown ``images`` real images."""
        fraction = min(images / self.over_images, 1.0)
        if self.shape == "geometric":
            return float(self.start * (self.end / self.start) ** fraction)
        if self.shape == "cosine":
            fraction = (1 - math.cos(math.pi * fraction)) / 2
        return self.start + (self.end - self.start) * fraction


def parse(value: Any) -> float | Schedule:
    """Read a number >= 0 or a schedule, or raise `ValueError`."""
    if isinstance(value, Schedule):
        return value
    if isinstance(value, str) and (found := PATTERN.fullmatch(value.strip())):
        start, end, images = (_number(text, value) for text in found.group(1, 2, 3))
        if not images:
            raise ValueError(f"{value!r} is not a schedule: it must span more than 0 images")
        shape: Any = found[4] or "linear"
        if shape == "geometric" and not (start and end):
            raise ValueError(f"{value!r}: a geometric schedule must start and end above 0")
        return Schedule(start, end, images, shape)
    return _number(value, value)


def _number(value: Any, written: Any) -> float:
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if math.isnan(number) or (isinstance(written, str) and value is written):
        raise ValueError(f"{written!r} is neither a number nor a schedule; {ALLOWED}")
    if not 0 <= number < math.inf:
        raise ValueError(f"must be at least 0 and finite, got {written!r}")
    return number


def _format_number(number: float) -> str:
    return str(int(number)) if number == int(number) else repr(number)


Weight = Annotated[
    float | Schedule,
    BeforeValidator(parse),
    PlainSerializer(lambda value: str(value) if isinstance(value, Schedule) else value),
    WithJsonSchema(
        {"type": ["number", "string"], "minimum": 0, "examples": [1.0, "1 to 0 over 10000 images"]}
    ),
]
"""The type of an option that is a number >= 0 or a schedule. `Step.now` gives its current value."""


def at(option: float | Schedule, images: int) -> float:
    """Return an option's value after D has been shown ``images`` real images."""
    return option.at(images) if isinstance(option, Schedule) else option


def above_zero(option: float | Schedule) -> float | Schedule:
    """Return the option, or raise `ValueError` if it is always zero."""
    if not (max(option.start, option.end) if isinstance(option, Schedule) else option):
        raise ValueError("must be more than 0, got 0")
    return option


Rate = Annotated[Weight, AfterValidator(above_zero)]
"""The type of a learning rate: a number > 0, or a schedule that is not always zero."""
