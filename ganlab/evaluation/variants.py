"""Short names for experiments, made of the options in which they differ."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ganlab.config.naming import MODEL_SECTIONS

Config = Mapping[str, Any]
NOT_SAID = ("train.seed",)


def variants(configs: Sequence[Config]) -> tuple[str, list[str]]:
    """Return a heading, and for each experiment a name made of the options that differ.

    If only one section differs, its name is the heading: ``conditioning``, with the names
    ``concat`` and ``cbn``.
    """
    told = [dict(_say(config, configs)) for config in configs]
    names = list(dict.fromkeys(name for one in told for name in one))
    values = {name: tuple(one.get(name, "-") for one in told) for name in names}
    differing = _merged({name: v for name, v in values.items() if len(set(v)) > 1})
    if len(differing) == 1:
        ((heading, rows),) = differing.items()
        return heading, list(rows)
    short = {_short(name, list(differing)): rows for name, rows in differing.items()}
    return "variant", [
        "  ".join(f"{name}={rows[i]}" for name, rows in short.items()) for i in range(len(told))
    ]


def _merged(differing: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Merge options of equal key and values, such as the widths of G and D, into one option."""
    merged: dict[str, tuple[str, ...]] = {}
    for name, values in differing.items():
        last = name.rpartition(".")[2]
        twins = [n for n, v in differing.items() if (n.rpartition(".")[2], v) == (last, values)]
        merged[last if len(twins) > 1 else name] = values
    return merged


def _say(config: Config, all_configs: Sequence[Config]) -> list[tuple[str, str]]:
    found = []
    for section, value in config.items():
        others = [other.get(section) for other in all_configs]
        if section in MODEL_SECTIONS and not _of_one_type(others):
            found.append((section, _components(value, others)))
        else:
            leaves = _leaves({section: value})
            found += [(path, _plain(leaf)) for path, leaf in leaves if path not in NOT_SAID]
    return found


def _of_one_type(values: Sequence[Any]) -> bool:
    """Return True if all experiments have the same single component, apart from its options."""
    return all(isinstance(v, dict) and "type" in v for v in values) and (
        len({value["type"] for value in values}) == 1
    )


def _components(value: Any, others: Sequence[Any]) -> str:
    """Describe a component, a list of components, or the components of each network."""
    if value is None or value == []:
        return "-"
    if isinstance(value, dict) and "type" not in value:
        sides = {role: _components(one, others) for role, one in value.items()}
        return ", ".join(f"{role[0].upper()} {said}" for role, said in sides.items())
    blocks = value if isinstance(value, list) else [value]
    return "+".join(_component(block, _blocks_in(others)) for block in blocks)


def _component(block: Config, others: Sequence[Config]) -> str:
    """Describe a component by its name and by the options in which its namesakes differ."""
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
