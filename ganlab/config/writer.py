"""Write plain data as YAML that reads back the same, with optional comments after the values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from ganlab.config.reader import add_scalar_resolvers


class _Dumper(yaml.SafeDumper):
    """Quotes text that a YAML 1.1 or YAML 1.2 reader would not read as text."""


add_scalar_resolvers(_Dumper)


def to_yaml(data: Mapping[str, Any], comments: Mapping[str, str] | None = None) -> str:
    """Return ``data`` as block YAML. ``notes`` are comments for values, by dotted path."""
    return "".join(f"{line}\n" for line in _lines(data, "", "", comments or {}))


def leaves(data: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (dotted path, value) of every value that `to_yaml` writes on one line."""
    if not _is_nested(data):
        yield path, data
        return
    for key, value in data.items() if isinstance(data, Mapping) else enumerate(data):
        yield from leaves(value, f"{path}.{key}" if path else str(key))


def _is_nested(value: Any) -> bool:
    if isinstance(value, Mapping):
        return bool(value)
    return isinstance(value, list) and any(isinstance(v, (Mapping, list)) for v in value)


def _lines(data: Any, path: str, indent: str, comments: Mapping[str, str]) -> Iterator[str]:
    is_mapping = isinstance(data, Mapping)
    for key, value in data.items() if is_mapping else enumerate(data):
        here = f"{path}.{key}" if path else str(key)
        head = f"{indent}{_inline(key)}:" if is_mapping else f"{indent}-"
        if not _is_nested(value):
            comment = f"  # {comments[here]}" if here in comments else ""
            yield f"{head} {_inline(value)}{comment}"
        elif is_mapping:
            yield head
            yield from _lines(value, here, f"{indent}  ", comments)
        else:
            first, *rest = _lines(value, here, f"{indent}  ", comments)
            yield f"{head} {first.lstrip()}"
            yield from rest


def _inline(value: Any) -> str:
    # Inside a list, because PyYAML ends a document that is a single scalar with "...".
    text = yaml.dump([value], Dumper=_Dumper, default_flow_style=True, width=2**30, sort_keys=False)
    return text.strip().removeprefix("[").removesuffix("]")
