"""Instances of components with options that keep a check fast."""

from __future__ import annotations

from typing import Any, TypeVar, get_origin

from pydantic import ValidationError

from ganlab.options import Component

C = TypeVar("C", bound=Component)
WIDTHS = (4, 8, 16, 32)


def small(cls: type[C]) -> C:
    """Return an instance with the class's ``for_tests`` options.

    Other options whose names begin with ``width`` get their smallest allowed value. Raises
    `pydantic.ValidationError` if an option has no default.
    """
    options = dict(cls.for_tests)
    for option, info in cls.model_fields.items():
        if not option.startswith("width") or option in options:
            continue
        default = info.get_default(call_default_factory=True) if not info.is_required() else None
        for width in WIDTHS:
            value = _narrow(default, width, is_list=get_origin(info.annotation) is list)
            if value is not None and _valid(cls, {**options, option: value}):
                options[option] = value
                break
    return cls(**options)


def _narrow(default: Any, width: int, *, is_list: bool) -> Any:
    if is_list and isinstance(default, list):
        return [min(width, one) if isinstance(one, int) else one for one in default]
    if isinstance(default, int) and not isinstance(default, bool):
        return min(width, default)
    return None


def _valid(cls: type[Component], options: dict[str, Any]) -> bool:
    try:
        cls(**options)
    except ValidationError:
        return False
    return True
