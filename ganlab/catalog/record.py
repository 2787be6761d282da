"""A component as plain data: its docstring, its origin and its options."""

from __future__ import annotations

import inspect
import json
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from ganlab.errors import first_line
from ganlab.options import Component
from ganlab.plugins import Registered

TYPES = {float: "number", int: "whole number", str: "text", bool: "true or false", NoneType: "null"}


def record_of(owner: Registered) -> dict[str, Any]:
    """Return a component as ``ganlab show KIND NAME --json`` prints it."""
    cls = owner.component
    return {
        "kind": cls.kind,
        "name": cls.name,
        "doc": _doc(cls),
        "paper": cls.paper,
        "facts": _facts(cls),
        "source": owner.plugin.source,
        "file": None if owner.plugin.file is None else str(owner.plugin.file),
        "options": [
            {
                "name": option,
                "type": type_of(field.annotation, field.metadata),
                "default": "required" if field.is_required() else _default(field.get_default()),
                "doc": " ".join((field.description or "").split()),
            }
            for option, field in cls.model_fields.items()
        ],
    }


def _doc(cls: type[Component]) -> str:
    """Return a class's own docstring, without its indentation."""
    return inspect.cleandoc(cls.__doc__ or "")


def _default(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_default, value))}]"
    return str(value)


def type_of(annotation: Any, metadata: Any = ()) -> str:
    """Return a type in the words of a YAML author: ``number >= 0``, ``text or null``."""
    limits = _limits(metadata)
    origin, inner = get_origin(annotation), get_args(annotation)
    if hasattr(annotation, "__metadata__"):
        return type_of(annotation.__origin__, [*annotation.__metadata__, *metadata])
    if origin in (Union, UnionType):
        return " or ".join(type_of(member) for member in inner) + limits
    if origin is Literal:
        return " or ".join(map(str, inner))
    if origin is list:
        entry = type_of(inner[0])
        return f"list of {f'({entry})' if ' or ' in entry else entry}{limits}"
    if origin is tuple:
        return f"[{', '.join(type_of(member) for member in inner if member is not ...)}]"
    if origin is dict or annotation is dict:
        return "block"
    return TYPES.get(annotation, getattr(annotation, "__name__", str(annotation))) + limits


def _limits(metadata: Any) -> str:
    flat = [
        m for item in metadata for m in (item.metadata if isinstance(item, FieldInfo) else [item])
    ]
    signs = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}
    found = [
        f"{sign} {getattr(item, name):g}"
        for item in flat
        for name, sign in signs.items()
        if getattr(item, name, None) is not None
    ]
    return "".join(f" {limit}" for limit in found[:1]) + "".join(f", {more}" for more in found[1:])


def _facts(cls: type[Component]) -> dict[str, str]:
    """Return what the class says of itself, or the error that it raises."""
    try:
        return cls.facts()
    except Exception as error:  # one faulty component must not take the other ones off the list
        return {"facts": f"{type(error).__name__}: {first_line(error)}"}
