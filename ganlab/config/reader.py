"""Read YAML text with the scalar rules of YAML 1.2, and record the line of each value."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from ganlab.errors import ConfigError, Problem

Keys = tuple[str | int, ...]

_PREFIX = "tag:yaml.org,2002:"
_DIGITS = r"[0-9]+(?:_[0-9]+)*"
SCALARS: tuple[tuple[str, str, str], ...] = (
    ("null", r"~|null|Null|NULL|", "~nN"),
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", rf"[-+]?{_DIGITS}|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    (
        "float",
        rf"[-+]?(?:\.[0-9]+|{_DIGITS}(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        "-+.0123456789",
    ),
)
"""(type, pattern, possible first characters) of plain scalars, tried in this order.

PyYAML follows YAML 1.1, which reads ``1e-4`` as text, ``no`` as false, ``017`` as 15 and ``12:30``
as 750.
"""


def add_scalar_resolvers(cls: Any) -> None:
    """Add the scalar rules of YAML 1.2 to a PyYAML loader or dumper class."""
    for kind, pattern, first in SCALARS:
        letters = [*first, ""] if kind == "null" else list(first)
        cls.add_implicit_resolver(_PREFIX + kind, re.compile(rf"(?:{pattern})\Z"), letters)


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[str, Any] = {}


add_scalar_resolvers(_Loader)
_Loader.add_implicit_resolver(f"{_PREFIX}merge", re.compile(r"<<\Z"), ["<"])


@dataclass
class Document:
    """The content of a YAML text."""

    data: Any
    lines: dict[Keys, int]
    """The line of each value, by its path; the root's path is ()."""

    problems: list[Problem] = field(default_factory=list)
    """Problems that did not stop reading, such as duplicate keys."""


def read(text: str, source: str, *, numbered: bool = True) -> Document:
    """Read YAML text. Mapping keys are kept as text, exactly as written.

    Problems refer to the text as ``source:line``, or as ``source`` if ``numbered`` is false. Raises
    `ConfigError` if the text is not valid YAML.
    """
    loader = None
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        place = f"{source}:{line}" if numbered else source
        reason = (error.problem or str(error)).replace("\\t", "tab")
        raise ConfigError([Problem("", f"not YAML: {reason}", place)], source) from None
    except RecursionError:
        raise ConfigError([Problem("", "not YAML: nested too deeply", source)], source) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        place = f"{source}:{line}" if numbered else source
        reason = f"character U+{int(error.character):04X} is not allowed"
        raise ConfigError([Problem("", f"not YAML: {reason}", place)], source) from None
    finally:
        if loader is not None:
            loader.dispose()
    converter = _Converter(source, numbered=numbered)
    data = None if root is None else converter.value(root, (), root.start_mark.line + 1)
    return Document(data, converter.lines, converter.problems)


class _Converter:
    """Converts the nodes of one document to plain data and records lines and problems."""

    def __init__(self, source: str, *, numbered: bool) -> None:
        self.source = source
        self.numbered = numbered
        self.lines: dict[Keys, int] = {}
        self.problems: list[Problem] = []
        self._open: list[yaml.Node] = []

    def value(self, node: yaml.Node, path: Keys, line: int) -> Any:
        self.lines[path] = line
        if any(node is parent for parent in self._open):
            return self._refuse(path, line, "an anchor may not contain itself")
        self._open.append(node)
        try:
            if isinstance(node, yaml.MappingNode) and node.tag == f"{_PREFIX}map":
                pairs = self._pairs(node, path)
                return {
                    key: self.value(child, (*path, key), at) for key, (child, at) in pairs.items()
                }
            if isinstance(node, yaml.SequenceNode) and node.tag == f"{_PREFIX}seq":
                return [
                    self.value(child, (*path, i), child.start_mark.line + 1)
                    for i, child in enumerate(node.value)
                ]
            return self._scalar(node, path, line)
        finally:
            self._open.pop()

    def _pairs(self, node: yaml.MappingNode, path: Keys) -> dict[str, tuple[yaml.Node, int]]:
        """Return the (node, line) of each key. A mapping's own keys override those from ``<<``."""
        own: dict[str, tuple[yaml.Node, int]] = {}
        merged: dict[str, tuple[yaml.Node, int]] = {}
        for key_node, child in node.value:
            line = key_node.start_mark.line + 1
            if key_node.tag == f"{_PREFIX}merge":
                parents = child.value if isinstance(child, yaml.SequenceNode) else [child]
                for parent in reversed(parents):
                    if isinstance(parent, yaml.MappingNode) and parent not in self._open:
                        merged |= self._pairs(parent, path)
                    else:
                        self._refuse(path, line, "'<<' takes a mapping or a list of mappings")
                continue
            if not isinstance(key_node, yaml.ScalarNode):
                self._refuse(path, line, "a key must be text")
                continue
            key = key_node.value
            if key in own:
                what = f"duplicate key, in lines {own[key][1]} and {line}"
                self._refuse((*path, key), line, what)
            own[key] = (child, line)
        return {**merged, **own}

    def _scalar(self, node: yaml.Node, path: Keys, line: int) -> Any:
        kind = node.tag.removeprefix(_PREFIX)
        text = node.value
        if isinstance(node, yaml.ScalarNode) and kind in ("str", "merge"):
            return text
        pattern = next((p for name, p, _ in SCALARS if name == kind), None)
        if not isinstance(node, yaml.ScalarNode) or pattern is None:
            return self._refuse(path, line, f"the tag '{_short_tag(node.tag)}' is not allowed")
        if not re.fullmatch(pattern, text):
            return self._refuse(path, line, f"'{text}' is not a valid {kind}")
        if kind == "null":
            return None
        if kind == "bool":
            return text.lower() == "true"
        if kind == "int":
            return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
        return float(text.replace(".inf", "inf").replace(".nan", "nan").lower().replace("_", ""))

    def _refuse(self, path: Keys, line: int, what: str) -> None:
        place = f"{self.source}:{line}" if self.numbered else self.source
        self.problems.append(Problem(".".join(map(str, path)), what, place))


def _short_tag(tag: str) -> str:
    return tag.replace(_PREFIX, "!!")
