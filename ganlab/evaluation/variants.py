"""What distinguishes experiments from one another, in a few words."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

Config = Mapping[str, Any]
OF_COMPONENTS = (
    "dataset",
    "generator",
    "discriminator",
    "conditioning",
    "loss",
    "regularizers",
    "augmentations",
)
NOT_SAID = ("train.seed",)


def variants(configs: Sequence[Config]) -> tuple[str, list[str]]:
    """Return a heading, and for each experiment what it does not share with all the others.

    If one section alone differs, it is the heading: ``conditioning``, and ``concat``, ``cbn``.
    """
    told = [dict(_say(config, configs)) for config in configs]
    names = list(dict.fromkeys(name for one in told for name in one))
    differing = [name for name in names if len({one.get(name) for one in told}) > 1]
    if len(differing) == 1:
        return differing[0], [one.get(differing[0], "-") for one in told]
    return "variant", [
        "  ".join(f"{_short(name, differing)}={one.get(name, '-')}" for name in differing)
        for one in told
    ]


def _say(config: Config, all_configs: Sequence[Config]) -> list[tuple[str, str]]:
    found = []
    for section, value in config.items():
        others = [other.get(section) for other in all_configs]
        if section in OF_COMPONENTS:
            found.append((section, _components(value, others)))
        else:
            leaves = _leaves({section: value})
            found += [(path, _plain(leaf)) for path, leaf in leaves if path not in NOT_SAID]
    return found


def _components(value: Any, others: Sequence[Any]) -> str:
    """Say a component, several of them, or those of each network."""
    if value is None or value == []:
        return "-"
    if isinstance(value, dict) and "type" not in value:
        sides = {role: _components(one, others) for role, one in value.items()}
        return ", ".join(f"{role[0].upper()} {said}" for role, said in sides.items())
    blocks = value if isinstance(value, list) else [value]
    return "+".join(_component(block, _blocks_in(others)) for block in blocks)


def _component(block: Config, others: Sequence[Config]) -> str:
    """Say a component by name, and by those options that its namesakes have otherwise."""
    namesakes = [other for other in others if other["type"] == block["type"]]
    options = [
        f"{key}={_plain(value)}"
        for key, value in block.items()
        if any(other.get(key) != value for other in namesakes)
    ]
    return f"{block['type']}({', '.join(options)})" if options else str(block["type"])


def _blocks_in(value: Any) -> list[Config]:
    if isinstance(value, list):
        return [block for item in value for block in _blocks_in(item)]
    if isinstance(value, dict):
        return [value] if "type" in value else _blocks_in(list(value.values()))
    return []


def _leaves(value: Any) -> list[tuple[str, Any]]:
    if not isinstance(value, dict):
        return [("", value)]
    return [
        (f"{key}.{path}" if path else key, leaf)
        for key, inner in value.items()
        for path, leaf in _leaves(inner)
    ]


def _short(name: str, names: Sequence[str]) -> str:
    last = name.rpartition(".")[2]
    return last if [n.rpartition(".")[2] for n in names].count(last) == 1 else name


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
