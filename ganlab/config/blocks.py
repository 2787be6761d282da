"""Make components and optimizers from their blocks, noting everything that is wrong."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar, cast

from ganlab.components import Component, Dataset
from ganlab.config.experiment import OPTIMIZERS, OptimizerOptions
from ganlab.config.options import check
from ganlab.config.tree import DEFAULT_OPTIMIZER, ROLES, Node, as_block, shown
from ganlab.errors import PluginError, Problem, did_you_mean
from ganlab.plugins import Plugins
from ganlab.step import Role

C = TypeVar("C", bound=Component)
C_co = TypeVar("C_co", bound=Component, covariant=True)


@dataclass(frozen=True)
class Built(Generic[C_co]):
    """A component and the block that it was made from."""

    component: C_co
    node: Node


@dataclass
class Builder:
    """Builds what one experiment names and gathers its problems."""

    plugins: Plugins
    problems: list[Problem] = field(default_factory=list)

    def one(self, base: type[C], node: Node) -> Built[C] | None:
        """Return the component of a block or a bare name, or note what is wrong with it."""
        kind, block = base.kind, as_block(node)
        if not isinstance(block.value, dict):
            what = f"expected one {kind}, by name or as a block, got {shown(node.value)}"
            self.problems.append(node.problem(what))
            return None
        name = block.child("type")
        if name is None:
            names = ", ".join(self.plugins.names(kind)) or "none is loaded"
            self.problems.append(node.problem(f"names no {kind}; write 'type', one of: {names}"))
            return None
        if issubclass(base, Dataset):
            block = self._with_fallback(block)
        cls = self._find(base, name)
        if cls is None:
            return None
        component = check(cls, block, str(name.value), self.problems, without=("type",))
        return None if component is None else Built(component, block)

    def many(self, base: type[C], node: Node | None) -> list[Built[C]]:
        """Return the components of a list, or of a single block or name."""
        if node is None:
            return []
        entries = node.value if isinstance(node.value, list) else [node]
        return [built for entry in entries if (built := self.one(base, entry))]

    def optimizer(self, node: Node | None) -> tuple[dict[Role, OptimizerOptions], dict[str, Node]]:
        """Return each network's optimizer, and the block that it was made from."""
        made: dict[Role, OptimizerOptions] = {}
        blocks: dict[str, Node] = {}
        common = Node({}, "optimizer") if node is None else as_block(node)
        if not isinstance(common.value, dict):
            what = f"expected one optimizer, by name or as a block, got {shown(common.value)}"
            self.problems.append(common.problem(what))
            return made, blocks
        for role in ROLES:
            block = self._optimizer_block(common, role)
            if block is None:
                continue
            name = block.child("type")
            kind = DEFAULT_OPTIMIZER if name is None else str(name.value)
            if kind not in OPTIMIZERS:
                hint = did_you_mean(kind, list(OPTIMIZERS))
                what = f"there is no optimizer '{kind}'{hint}"
                self.problems.append((name or block).problem(what))
                continue
            options = check(OPTIMIZERS[kind], block, kind, self.problems, without=("type",))
            blocks[role] = block
            if options is not None:
                made[cast(Role, role)] = options
        self._check_common(common, blocks)
        return made, blocks

    def _optimizer_block(self, common: Node, role: str) -> Node | None:
        """Return the common options with those of one network over them."""
        shared = {key: child for key, child in common.value.items() if key not in ROLES}
        own = common.child(role)
        if own is None:
            return replace(common, value=shared)
        own = as_block(own)
        if not isinstance(own.value, dict):
            what = f"expected one optimizer, by name or as a block, got {shown(own.value)}"
            self.problems.append(own.problem(what))
            return None
        kinds = [block.child("type") for block in (common, own)]
        shared_kind, own_kind = (DEFAULT_OPTIMIZER if k is None else k.value for k in kinds)
        if kinds[1] is not None and own_kind != shared_kind:
            return own
        return replace(own, value={**shared, **own.value})

    def _check_common(self, common: Node, blocks: dict[str, Node]) -> None:
        """Refuse a common option that neither network uses."""
        for key, child in common.value.items():
            if key in ("type", *ROLES) or len(blocks) < len(ROLES):
                continue
            if all(block.value.get(key) is not child for block in blocks.values()):
                what = "has no effect: the blocks generator and discriminator do not use it"
                self.problems.append(child.problem(what))

    def _find(self, base: type[C], name: Node) -> type[C] | None:
        """Return the class that a ``type`` names. Two plugins of one name stay a `PluginError`."""
        if not isinstance(name.value, str):
            what = f"expected the name of a {base.kind}, got {shown(name.value)}"
            self.problems.append(name.problem(what))
            return None
        try:
            return cast(type[C], self.plugins.find(base.kind, name.value).component)
        except PluginError as error:
            if name.value in self.plugins.names(base.kind):
                raise
            where = name.where.removesuffix(".type")
            self.problems.append(Problem(where, str(error), name.source))
            return None

    def _with_fallback(self, block: Node) -> Node:
        """Return a dataset's block with its fallback written as a block, which is checked too."""
        written = block.child("fallback")
        if written is None:
            return block
        fallback, size = as_block(written), block.child("image_size")
        if isinstance(fallback.value, dict):
            inherited = {} if size is None else {"image_size": size}
            self.one(Dataset, replace(fallback, value={**inherited, **fallback.value}))
        return replace(block, value={**block.value, "fallback": fallback})
