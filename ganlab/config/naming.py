"""The names in an experiment file: sections, components and options. Importing it imports no torch.

`ganlab.config.resolve`, which builds an experiment, and `ganlab.catalog.names`, which only checks
its names, both use these functions. Therefore they report an unknown name with the same message.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ganlab.config.tree import DEFAULT_OPTIMIZER, ROLES, Node, as_block, describe_value
from ganlab.errors import Problem, did_you_mean

MODEL_SECTIONS = (
    "dataset",
    "generator",
    "discriminator",
    "conditioning",
    "loss",
    "regularizers",
    "augmentations",
)
"""The sections that name components and decide what is learned."""

SECTIONS = (*MODEL_SECTIONS, "optimizer", "train", "eval", "callbacks")
KEYS = (*SECTIONS, "name", "extends")
BUDGETS = ("epochs", "images", "steps", "seconds")


def unknown_sections(root: Node) -> Iterator[Problem]:
    """Yield a problem for each unknown section."""
    for key, child in root.value.items():
        if key not in KEYS:
            yield child.problem(f"there is no section '{key}'{did_you_mean(key, KEYS)}")


def missing_component(kind: str, root: Node, names: Sequence[str]) -> Problem:
    """Return the problem of an experiment without a component of this kind."""
    at = root.value.get(kind, root)
    count = "one or more" if kind == "conditioning" else "one"
    return Problem(kind, f"is missing; name {count} of: {_listed(names)}", at.source)


def no_budget(train: Node) -> Iterator[Problem]:
    """Yield a problem for a ``train`` section without a budget."""
    if not any(train.child(budget) for budget in BUDGETS):
        yield train.problem(f"has no budget; set at least one of: {', '.join(BUDGETS)}")


def type_and_block(
    kind: str, node: Node, names: Sequence[str], problems: list[Problem]
) -> tuple[Node, Node] | None:
    """Return the ``type`` of a component and its block.

    If the block is invalid, append the problem to ``problems`` and return None.
    """
    block = as_block(node)
    if not isinstance(block.value, dict):
        what = f"expected one {kind}, by name or as a block, got {describe_value(node.value)}"
        problems.append(node.problem(what))
        return None
    name = block.child("type")
    if name is None:
        what = f"has no 'type'; set it to one of: {_listed(names)}"
        problems.append(node.problem(what))
        return None
    return name, block


def unknown_component(name: Node, reason: str) -> Problem:
    """Return the problem of an unknown ``type`` of a component."""
    return Problem(name.where.removesuffix(".type"), reason, name.source)


def unknown_option(owner: str, option: str, allowed: Sequence[str]) -> str:
    """Return the message for an option that ``owner`` does not have."""
    hint = did_you_mean(option, allowed) or "; it has none"
    return f"'{owner}' has no option '{option}'{hint}"


def unknown_optimizer(node: Node, kind: str, kinds: Sequence[str]) -> Problem:
    """Return the problem of an unknown ``type`` of an optimizer."""
    return node.problem(f"there is no optimizer '{kind}'{did_you_mean(kind, kinds)}")


def optimizer_block(common: Node, role: str) -> Node:
    """Return the common options, overridden by the block of one network.

    If the network's optimizer has another type, the common options do not apply to it.
    """
    shared = {key: child for key, child in common.value.items() if key not in ROLES}
    own = common.child(role)
    if own is None:
        return replace(common, value=shared)
    own = as_block(own)
    if not isinstance(own.value, dict) or other_type(own, common) is not None:
        return own
    return replace(own, value={**shared, **own.value})


def other_type(block: Node, common: Node) -> Node | None:
    """Return the ``type`` in a network's block if it differs from the common type."""
    own, shared = block.child("type"), common.child("type")
    kind = DEFAULT_OPTIMIZER if shared is None else shared.value
    return None if own is None or own.value == kind else own


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none is loaded"
