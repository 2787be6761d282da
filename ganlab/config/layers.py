"""Read an experiment file, the files that it extends, and overrides, into one tree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ganlab.config.reader import read
from ganlab.config.tree import Node, grow, merge, override, shown
from ganlab.errors import ConfigError, Problem, did_you_mean

SWEEP = "sweep"
"""The section that makes a file a sweep: see `ganlab.config.sweeps`."""


@dataclass(frozen=True)
class Read:
    """An experiment file that is read but not checked."""

    path: Path
    root: Node
    layers: list[Node]
    text: str
    problems: list[Problem]


def read_root(path: Path, overrides: Sequence[str] = ()) -> Read:
    """Read a file, what it extends and overrides into one tree, noting what is wrong."""
    text = text_of(path)
    problems: list[Problem] = []
    layers = read_layers(path, text, problems)
    root = layers[0]
    for layer in layers[1:]:
        root = merge(root, layer)
    for written in overrides:
        try:
            root = override(root, written)
        except ConfigError as error:
            problems += error.problems
    return Read(path, root, layers, text, problems)


def read_single(path: Path, overrides: Sequence[str] = ()) -> Read:
    """Read a file that holds one experiment; refuse one that holds a sweep."""
    read = read_root(path, overrides)
    sweep = read.root.child(SWEEP)
    if sweep is not None:
        what = f"this file holds a sweep: ganlab sweep {path} runs it"
        raise ConfigError([sweep.problem(what)], str(path))
    return read


def read_layers(path: Path, text: str, problems: list[Problem]) -> list[Node]:
    """Return the file and what it extends, the oldest first, each without what is its own alone."""
    chain: list[Node] = []
    seen: dict[Path, str] = {}
    while True:
        seen[path.resolve()] = path.name
        document = read(text, str(path))
        problems += document.problems
        if not isinstance(document.data, dict):
            what = f"must be a mapping of sections, got {shown(document.data)}"
            what = "is empty" if document.data is None else what
            raise ConfigError([Problem("", what, str(path))], str(path))
        node = grow(document, str(path), layer=-len(chain))
        extends = node.value.get("extends")
        own = ("extends",) if not chain else ("extends", "name")
        kept = {key: child for key, child in node.value.items() if key not in own}
        chain.insert(0, replace(node, value=kept))
        if extends is None:
            return chain
        if not isinstance(extends.value, str):
            what = f"expected the name of one file, got {shown(extends.value)}"
            raise ConfigError([extends.problem(what)], str(path))
        parent = path.parent / extends.value
        if parent.resolve() in seen:
            circle = " -> ".join([*seen.values(), parent.name])
            raise ConfigError([extends.problem(f"goes in a circle: {circle}")], str(path))
        try:
            text = text_of(parent)
        except ConfigError as error:
            what = "; ".join(f"{p.source} {p.what}" for p in error.problems)
            raise ConfigError([extends.problem(what)], str(path)) from None
        path = parent


def text_of(path: Path) -> str:
    """Return what a file says, or raise `ConfigError`."""

    def refuse(what: str) -> ConfigError:
        return ConfigError([Problem("", what, str(path))], str(path))

    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        near = sorted(file.name for file in path.parent.glob("*.yaml"))
        raise refuse(f"there is no such file{did_you_mean(path.name, near)}") from None
    except IsADirectoryError:
        raise refuse("is a folder; name a file in it") from None
    except UnicodeDecodeError:
        raise refuse("is not UTF-8 text") from None
    except OSError as error:
        raise refuse(f"cannot be read: {error.strerror}") from None


def in_order(problems: list[Problem], layers: Sequence[Node] = ()) -> list[Problem]:
    """Return the problems by line: those of the file, of what it extends, and of ``-s`` last."""
    files = [layer.source.rpartition(":")[0] for layer in reversed(layers)]

    def key(problem: Problem) -> tuple[int, int]:
        file, _, line = problem.source.rpartition(":")
        if file not in files:
            return (len(files), 0)
        return (files.index(file), int(line))

    return sorted(dict.fromkeys(problems), key=key)
