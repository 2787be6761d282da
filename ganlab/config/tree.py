"""A tree of YAML values with their origins, and the merging of files and ``-s`` overrides."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ganlab.config.reader import Document, Keys, read
from ganlab.errors import ConfigError, Problem

ROLES = ("generator", "discriminator")
LISTS = ("conditioning", "regularizers", "augmentations", "callbacks")
"""Sections that hold a list of components."""

DEFAULT_OPTIMIZER = "adam"

SWEEP = "sweep"
"""The section that makes a file a sweep: see `ganlab.config.sweeps`."""


@dataclass(frozen=True)
class Node:
    """A value and its origin. The values in mappings and lists are nodes too."""

    value: Any
    where: str = ""
    """The dotted path: ``conditioning.scale``."""

    source: str = ""
    """``my.yaml:7``, ``-s``, or empty for data that did not come from a file."""

    layer: int = 0
    """Priority: 0 for the file, negative for the files it extends, 1 for ``-s``."""

    def problem(self, what: str) -> Problem:
        """Return a problem at this value."""
        return Problem(self.where, what, self.source)

    def child(self, key: str) -> Node | None:
        """Return a mapping's entry; None if it is missing or null."""
        found = self.value.get(key) if isinstance(self.value, dict) else None
        return None if found is None or found.value is None else found

    def at(self, key: str | int) -> Node | None:
        """Return a mapping's or a list's entry, which may be null; None if it is missing."""
        if isinstance(self.value, dict):
            return self.value.get(str(key))
        index = int(key) if isinstance(key, int) or key.isdecimal() else -1
        known = isinstance(self.value, list) and 0 <= index < len(self.value)
        return self.value[index] if known else None

    def plain(self) -> Any:
        """Return the value as plain data, without origins."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value


def build_tree(document: Document, name: str = "", layer: int = 0) -> Node:
    """Return a document as a tree of nodes. ``name`` is the file's name, or empty."""

    def node(value: Any, path: Keys) -> Node:
        source = f"{name}:{document.lines[path]}" if name else ""
        if isinstance(value, dict):
            value = {key: node(child, (*path, key)) for key, child in value.items()}
        elif isinstance(value, (list, tuple)):
            value = [node(child, (*path, i)) for i, child in enumerate(value)]
        return Node(value, _dotted(path), source, layer)

    return node(document.data, ())


def at_path(node: Node, path: Keys, source: str = "") -> Node:
    """Return a copy of the node, located at ``path`` and, if given, with another ``source``."""
    value = node.value
    if isinstance(value, dict):
        value = {key: at_path(child, (*path, key), source) for key, child in value.items()}
    elif isinstance(value, list):
        value = [at_path(child, (*path, i), source) for i, child in enumerate(value)]
    return replace(node, value=value, where=_dotted(path), source=source or node.source)


def is_block(path: Keys) -> bool:
    """Return whether this is the path of a component or an optimizer."""
    if not path:
        return False
    section, *rest = path
    if section in ("generator", "discriminator", "loss"):
        return not rest
    if section == "eval":
        if rest[:1] == ["metrics"] and len(rest) == 2:
            return isinstance(rest[1], int)
        return rest in (["metrics"], ["extractor"])
    if section == "dataset":
        return all(key == "fallback" for key in rest)
    if section == "optimizer":
        return not rest or rest in (["generator"], ["discriminator"])
    if section == "conditioning" and rest and rest[0] in ROLES:
        rest = rest[1:]
    return section in LISTS and (not rest or (len(rest) == 1 and isinstance(rest[0], int)))


def as_block(node: Node) -> Node:
    """Return ``hinge`` as ``{type: hinge}``, and anything else as it is."""
    if not isinstance(node.value, str):
        return node
    return replace(node, value={"type": replace(node, where=f"{node.where}.type")})


def merge(below: Node | None, above: Node, path: Keys = ()) -> Node:
    """Merge two trees; ``above`` has priority. Mappings are merged, other values are replaced.

    A block whose ``type`` changes is replaced too, because its old options do not apply.
    """
    if below is None:
        return above
    if is_block(path):
        below, above = as_block(below), as_block(above)
        if isinstance(below.value, dict) and isinstance(above.value, dict):
            type_below, type_above = _type(below, path), _type(above, path)
            roles_above = path == ("conditioning",) and any(role in above.value for role in ROLES)
            changes = type_above not in (None, type_below)
            if changes or (type_below is not None and type_above is None and roles_above):
                return above
    if not (isinstance(below.value, dict) and isinstance(above.value, dict)):
        return above
    merged = dict(below.value)
    for key, node in above.value.items():
        merged[key] = merge(merged.get(key), node, (*path, key))
    return replace(above, value=merged)


def override(root: Node, text: str) -> Node:
    """Return the tree with one ``a.b=VALUE`` override applied, or raise `ConfigError`."""
    key, equals, written = text.partition("=")
    keys = [part.strip() for part in key.split(".")]
    if not equals or not all(keys):
        example = "write KEY=VALUE, such as train.batch_size=64"
        raise ConfigError([Problem("", f"'{text}' is not an override; {example}", "-s")])
    try:
        document = read(written, "-s", numbered=False)
    except ConfigError as error:
        raise ConfigError([replace(p, where=key) for p in error.problems]) from None
    if document.problems:
        raise ConfigError([replace(p, where=f"{key}.{p.where}") for p in document.problems])
    path = tuple(int(part) if part.isdecimal() else part for part in keys)
    value = at_path(build_tree(document, layer=1), path, "-s")
    if keys == ["extends"]:
        raise ConfigError([value.problem("can only be set in a file")])
    return _set_at(root, path, value)


def set_value(root: Node, key: str, value: Node) -> Node:
    """Return the tree with a value merged in at a dotted key, or raise `ConfigError`."""
    path = tuple(int(part) if part.isdecimal() else part for part in key.split("."))
    return _set_at(root, path, at_path(value, path))


def _set_at(below: Node | None, keys: Keys, value: Node, path: Keys = ()) -> Node:
    """Return ``below``, the node at ``path``, with ``value`` merged in at ``keys`` inside it."""
    if not keys:
        return merge(below, value, path)
    key, rest = keys[0], keys[1:]
    if below is None or below.value is None:
        below = replace(value, value={}, where=_dotted(path))
    if is_block(path):
        below = as_block(below)
    if isinstance(key, int) and _is_single(below, path):
        below = replace(below, value=[at_path(below, (*path, 0))])
    if isinstance(below.value, list):
        return replace(below, value=_set_in_list(below, key, rest, value, path))
    if not isinstance(below.value, dict):
        problem = f"is {describe_value(below.value)}, not a block, so it has no key '{key}'"
        raise ConfigError([Problem(_dotted(path), problem, value.source)])
    name = str(key)
    child = _set_at(below.value.get(name), rest, value, (*path, name))
    return replace(below, value={**below.value, name: child})


def _set_in_list(below: Node, key: str | int, rest: Keys, value: Node, path: Keys) -> list[Node]:
    here, count = _dotted(path), len(below.value)
    if not isinstance(key, int):
        example = ".".join(map(str, (*path, 0, key, *rest)))
        what = f"is a list; write '{example}' for its first entry"
        raise ConfigError([Problem(here, what, value.source)])
    if key >= count:
        what = f"has no entry {key}; it has {count} {'entry' if count == 1 else 'entries'}, from 0"
        raise ConfigError([Problem(here, what, value.source)])
    entries = list(below.value)
    entries[key] = _set_at(entries[key], rest, value, (*path, key))
    return entries


def describe_value(value: Any) -> str:
    """Return the text that error messages use for a value."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, dict):
        return "a block"
    if isinstance(value, (list, tuple)):
        return "a list"
    return repr(value)


def _is_single(node: Node, path: Keys) -> bool:
    """Return whether the node is a single block where a list of blocks is allowed."""
    in_list = bool(path) and (path[0] in LISTS or path == ("eval", "metrics"))
    listed = in_list and is_block(path) and not isinstance(path[-1], int)
    return listed and isinstance(node.value, dict) and not any(role in node.value for role in ROLES)


def _type(node: Node, path: Keys) -> Any:
    default = DEFAULT_OPTIMIZER if path == ("optimizer",) else None
    child = node.child("type")
    return default if child is None else child.value


def _dotted(path: Keys) -> str:
    return ".".join(map(str, path))
