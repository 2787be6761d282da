"""Read the ``optimizer`` section: common options, and an optional block for each network."""

from __future__ import annotations

from typing import cast

from ganlab.config.experiment import OPTIMIZERS, OptimizerOptions
from ganlab.config.naming import optimizer_block, other_type, unknown_optimizer
from ganlab.config.tree import DEFAULT_OPTIMIZER, ROLES, Node, as_block, describe_value
from ganlab.config.validate import validate_options
from ganlab.errors import Problem
from ganlab.types import Role


def read_optimizers(
    node: Node | None, problems: list[Problem]
) -> tuple[dict[Role, OptimizerOptions], dict[str, Node]]:
    """Return each network's optimizer, and the block it was built from."""
    made: dict[Role, OptimizerOptions] = {}
    blocks: dict[str, Node] = {}
    common = Node({}, "optimizer") if node is None else as_block(node)
    if not _is_mapping(common, problems):
        return made, blocks
    for role in ROLES:
        block = optimizer_block(common, role)
        if not _is_mapping(block, problems):
            continue
        name = block.child("type")
        kind = DEFAULT_OPTIMIZER if name is None else str(name.value)
        if kind not in OPTIMIZERS:
            problems.append(unknown_optimizer(name or block, kind, list(OPTIMIZERS)))
            continue
        options = validate_options(OPTIMIZERS[kind], block, kind, problems, ignore=("type",))
        if options is not None:
            made[cast(Role, role)] = options
            blocks[role] = block
    _check_common(common, problems)
    return made, blocks


def _is_mapping(node: Node, problems: list[Problem]) -> bool:
    if not isinstance(node.value, dict):
        what = f"expected one optimizer, by name or as a block, got {describe_value(node.value)}"
        problems.append(node.problem(what))
    return isinstance(node.value, dict)


def _check_common(common: Node, problems: list[Problem]) -> None:
    """Refuse a common option that the blocks of both networks override.

    It is allowed in a file that is extended: a file that sets ``lr`` for each network may extend
    one that sets a common ``lr``.
    """
    blocks = [as_block(block) for role in ROLES if (block := common.child(role))]
    for key, option in common.value.items():
        if key in ("type", *ROLES):
            continue
        hiding = [block.at(key) or other_type(block, common) for block in blocks]
        layers = [node.layer for node in hiding if node is not None]
        if len(layers) == len(ROLES) and option.layer >= max(layers):
            what = "has no effect: the blocks of generator and discriminator override it"
            problems.append(option.problem(what))
