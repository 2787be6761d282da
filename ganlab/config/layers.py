"""Read an experiment file, the files that it extends, and overrides, into one tree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path

from ganlab.config.locate import find_experiment
from ganlab.config.reader import read
from ganlab.config.tree import SWEEP, Node, build_tree, describe_value, merge, override
from ganlab.errors import ConfigError, ExperimentError, Problem


@dataclass(frozen=True)
class RawExperiment:
    """An experiment file that has been read but not validated."""

    path: Path
    root: Node
    layers: list[Node]
    text: str
    problems: list[Problem]


def read_raw(name: str | PathLike[str], overrides: Sequence[str] = ()) -> RawExperiment:
    """Read a file, the files it extends and overrides into one tree.

    Problems that do not stop reading are in `RawExperiment.problems`. Raises `ExperimentError` if
    there is no such experiment, and `ConfigError` for a file that cannot be read.
    """
    path = find_experiment(name)
    text = read_text(path)
    problems: list[Problem] = []
    layers = read_layers(path, text, problems)
    root = layers[0]
    for layer in layers[1:]:
        root = merge(root, layer)
    for text_override in overrides:
        try:
            root = override(root, text_override)
        except ConfigError as error:
            problems += error.problems
    return RawExperiment(path, root, layers, text, problems)


def read_single(name: str | PathLike[str], overrides: Sequence[str] = ()) -> RawExperiment:
    """Read a file that holds one experiment. Raises `ConfigError` also if it is a sweep."""
    raw = read_raw(name, overrides)
    sweep = raw.root.child(SWEEP)
    if sweep is not None:
        what = f"this file is a sweep; run it with: ganlab sweep {name}"
        raise ConfigError([sweep.problem(what)], str(name))
    return raw


def read_layers(path: Path, text: str, problems: list[Problem]) -> list[Node]:
    """Return the file and the files it extends, the most basic one first.

    ``extends`` is removed from every file, and ``name`` from every file but the last. Problems that
    do not stop reading are appended to ``problems``; others raise `ConfigError`.
    """
    chain: list[Node] = []
    seen: dict[Path, str] = {}
    while True:
        seen[path.resolve()] = path.name
        document = read(text, str(path))
        problems += document.problems
        if not isinstance(document.data, dict):
            what = f"must be a mapping of sections, got {describe_value(document.data)}"
            what = "is empty" if document.data is None else what
            raise ConfigError([Problem("", what, str(path))], str(path))
        node = build_tree(document, str(path), layer=-len(chain))
        extends = node.value.get("extends")
        own = ("extends",) if not chain else ("extends", "name")
        kept = {key: child for key, child in node.value.items() if key not in own}
        chain.insert(0, replace(node, value=kept))
        if extends is None:
            return chain
        if not isinstance(extends.value, str):
            what = f"expected the name of one file, got {describe_value(extends.value)}"
            raise ConfigError([extends.problem(what)], str(path))
        try:
            parent = find_experiment(extends.value, folder=path.parent)
        except ExperimentError as error:
            raise ConfigError([extends.problem(str(error))], str(path)) from None
        if parent.resolve() in seen:
            circle = " -> ".join([*seen.values(), parent.name])
            raise ConfigError([extends.problem(f"is circular: {circle}")], str(path))
        try:
            text = read_text(parent)
        except ConfigError as error:
            what = "; ".join(f"{p.source} {p.what}" for p in error.problems)
            raise ConfigError([extends.problem(what)], str(path)) from None
        path = parent


def read_text(path: Path) -> str:
    """Return the text of a file (UTF-8), or raise `ConfigError`."""

    def refuse(what: str) -> ConfigError:
        return ConfigError([Problem("", what, str(path))], str(path))

    try:
        return path.read_text(encoding="utf-8-sig")
    except IsADirectoryError:
        raise refuse("is a folder; name a file in it") from None
    except UnicodeDecodeError:
        raise refuse("is not UTF-8 text") from None
    except OSError as error:
        raise refuse(f"cannot be read: {error.strerror}") from None


def sort_problems(problems: list[Problem], layers: Sequence[Node] = ()) -> list[Problem]:
    """Return the problems without duplicates, sorted by file and line.

    The file itself comes first, then the files it extends, then ``-s``.
    """
    files = [layer.source.rpartition(":")[0] for layer in reversed(layers)]

    def key(problem: Problem) -> tuple[int, int]:
        file, _, line = problem.source.rpartition(":")
        if file not in files:
            return (len(files), 0)
        return (files.index(file), int(line))

    return sorted(dict.fromkeys(problems), key=key)
