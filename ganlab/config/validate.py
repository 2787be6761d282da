"""Validate written options against an options class, with short error messages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, TypeVar, get_args

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from ganlab.config.naming import unknown_option
from ganlab.config.tree import Node, describe_value
from ganlab.errors import Problem
from ganlab.options import Options

OptionsT = TypeVar("OptionsT", bound=Options)

NUMBER, WHOLE, TEXT, SWITCH = "a number", "a whole number", "text", "true or false"
EXPECTED = {
    "float_type": NUMBER,
    "float_parsing": NUMBER,
    "finite_number": "a finite number",
    "int_type": WHOLE,
    "int_parsing": WHOLE,
    "int_from_float": WHOLE,
    "int_parsing_size": "a smaller whole number",
    "bool_type": SWITCH,
    "bool_parsing": SWITCH,
    "string_type": TEXT,
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a block of options",
    "model_type": "a block of options",
    "model_attributes_type": "a block of options",
    "none_required": "null",
}
"""The expected type, by pydantic error type."""

LIMITS = {
    "greater_than": ("more than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"),
    "less_than_equal": ("at most", "le"),
    "multiple_of": ("a multiple of", "multiple_of"),
}


def validate_options(
    cls: type[OptionsT],
    node: Node,
    owner: str,
    problems: list[Problem],
    ignore: tuple[str, ...] = (),
) -> OptionsT | None:
    """Return an instance of ``cls`` built from a mapping's entries.

    If an entry is invalid, append the problems to ``problems`` and return None. ``owner`` is the
    block's name in messages; the keys in ``ignore`` are not options.
    """
    written = {key: child for key, child in node.value.items() if key not in ignore}
    data = {key: child.plain() for key, child in written.items()}
    found: list[Problem] = []
    for key, child in written.items():
        if key in cls.model_fields:
            found += _implicit_conversions(cls, key, child)
    try:
        options = cls.model_validate(data)
    except ValidationError as error:
        found += _problems(error.errors(include_url=False), cls, node, owner)
    problems += found
    return None if found else options


# ------------------------------------------- conversions that pydantic would accept


def _implicit_conversions(cls: type[Options], option: str, node: Node) -> Iterator[Problem]:
    """Yield a problem for each boolean given for a number, and each other value for a boolean.

    Pydantic would read ``true`` as 1 and the text ``yes`` as true.
    """
    info = cls.model_fields[option]
    annotation: Any = Annotated[info.annotation, info]
    adapter: TypeAdapter[Any] = TypeAdapter(annotation)
    try:
        yield from _compare(node, adapter.validate_python(node.plain()))
    except ValidationError:
        return  # reported with the rest


def _compare(node: Node, read: Any) -> Iterator[Problem]:
    if isinstance(read, Options):
        read = {option: getattr(read, option) for option in type(read).model_fields}
    if isinstance(node.value, dict) and isinstance(read, dict):
        for key, child in node.value.items():
            yield from _compare(child, read.get(key))
    elif isinstance(node.value, list) and isinstance(read, (list, tuple)):
        for child, item in zip(node.value, read, strict=False):
            yield from _compare(child, item)
    elif isinstance(node.value, bool) and type(read) in (int, float):
        kind = NUMBER if isinstance(read, float) else WHOLE
        yield node.problem(f"expected {kind}, got {describe_value(node.value)}")
    elif isinstance(read, bool) and not isinstance(node.value, bool):
        yield node.problem(f"expected {SWITCH}, got {describe_value(node.value)}")


# ------------------------------------------------------------------- pydantic's errors


def _problems(
    errors: list[ErrorDetails], cls: type[Options], node: Node, owner: str
) -> Iterator[Problem]:
    """Yield one problem for each invalid value. Pydantic reports one error per union member."""
    grouped: dict[str, tuple[Node, list[ErrorDetails]]] = {}
    for error in errors:
        at, rest = _locate(node, error["loc"])
        if error["type"] == "missing" and rest and isinstance(rest[-1], str):
            at = Node(None, f"{at.where}.{rest[-1]}" if at.where else str(rest[-1]), at.source)
        grouped.setdefault(at.where, (at, []))[1].append(error)
    for at, group in grouped.values():
        for what in _messages(group, at, cls, owner):
            yield at.problem(what)


def _locate(node: Node, loc: tuple[int | str, ...]) -> tuple[Node, tuple[int | str, ...]]:
    """Return the deepest node on an error's location, and the rest of the location."""
    for i, part in enumerate(loc):
        child = node.at(part)
        if child is None:
            return node, loc[i:]
        node = child
    return node, ()


def _messages(
    errors: list[ErrorDetails], node: Node, cls: type[Options], owner: str
) -> Iterator[str]:
    wanted = list(dict.fromkeys(EXPECTED[e["type"]] for e in errors if e["type"] in EXPECTED))
    if len(errors) > 1 and wanted:
        # Every member of a union refused this one value.
        wanted += [f"{e['ctx']['expected']}" for e in errors if e["type"] == "literal_error"]
        yield _expected(" or ".join(wanted), node.value)
        return
    missing = [e for e in errors if e["type"] == "missing"]
    if missing and isinstance(missing[0]["loc"][-1], int):
        count = max(int(e["loc"][-1]) for e in missing) + 1
        yield f"must have {count} entries, got {len(node.value)}"
        return
    for error in errors:
        yield _message(error, node.value, cls, owner)


def _message(error: ErrorDetails, value: Any, cls: type[Options], owner: str) -> str:
    kind, context = error["type"], error.get("ctx", {})
    if kind in EXPECTED:
        return _expected(EXPECTED[kind], value)
    if kind in LIMITS and isinstance(value, bool):
        return _expected(NUMBER, value)  # pydantic read it as 0 or 1
    if kind in LIMITS:
        word, limit = LIMITS[kind]
        return f"must be {word} {context[limit]:g}, got {describe_value(value)}"
    match kind:
        case "extra_forbidden":
            return _unknown(error["loc"], cls, owner)
        case "missing":
            return "is missing; it has no default"
        case "literal_error":
            return f"expected {context['expected']}, got {describe_value(value)}"
        case "too_short":
            return f"must have at least {context['min_length']} entries, got {len(value)}"
        case "too_long":
            return f"must have at most {context['max_length']} entries, got {len(value)}"
        case "value_error" | "assertion_error":
            return str(context["error"])
    return error["msg"][:1].lower() + error["msg"][1:]


def _expected(what: str, value: Any) -> str:
    quote = what == TEXT and isinstance(value, (bool, int, float))
    return f"expected {what}, got {describe_value(value)}{'; quote it' if quote else ''}"


def _unknown(loc: tuple[int | str, ...], cls: type[Options], owner: str) -> str:
    for part in loc[:-1]:
        if part in cls.model_fields:
            cls, owner = _options_in(cls.model_fields[str(part)].annotation) or cls, str(part)
    return unknown_option(owner, str(loc[-1]), list(cls.model_fields))


def _options_in(annotation: Any) -> type[Options] | None:
    """Return the options class in an annotation such as ``Ema | None``."""
    if isinstance(annotation, type) and issubclass(annotation, Options):
        return annotation
    return next((cls for cls in map(_options_in, get_args(annotation)) if cls), None)
