"""Build components from their YAML blocks and collect all problems."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from ganlab.components import Dataset
from ganlab.config.naming import type_and_block, unknown_component
from ganlab.config.tree import Node, as_block, describe_value
from ganlab.config.validate import validate_options
from ganlab.errors import PluginError, Problem
from ganlab.options import Component
from ganlab.plugins import Plugins

C = TypeVar("C", bound=Component)
C_co = TypeVar("C_co", bound=Component, covariant=True)


@dataclass(frozen=True)
class Built(Generic[C_co]):
    """A component and the block it was built from."""

    component: C_co
    node: Node


@dataclass
class Builder:
    """Builds the components of one experiment and collects its problems."""

    plugins: Plugins
    problems: list[Problem] = field(default_factory=list)

    def build_one(self, base: type[C], node: Node) -> Built[C] | None:
        """Return the component of a block or a bare name.

        If the block is invalid, append its problems to `problems` and return None.
        """
        found = type_and_block(base.kind, node, self.plugins.names(base.kind), self.problems)
        if found is None:
            return None
        name, block = found
        if issubclass(base, Dataset):
            block = self._with_fallback(block)
        cls = self._find(base, name)
        if cls is None:
            return None
        component = validate_options(cls, block, str(name.value), self.problems, ignore=("type",))
        return None if component is None else Built(component, block)

    def build_list(self, base: type[C], node: Node | None) -> list[Built[C]]:
        """Return the components of a list, or of a single block or name, without invalid ones."""
        if node is None:
            return []
        entries = node.value if isinstance(node.value, list) else [node]
        return [built for entry in entries if (built := self.build_one(base, entry))]

    def _find(self, base: type[C], name: Node) -> type[C] | None:
        """Return the class with this name, or append a problem and return None.

        Raises `PluginError` if several plugins register the name.
        """
        if not isinstance(name.value, str):
            what = f"expected the name of a {base.kind}, got {describe_value(name.value)}"
            self.problems.append(name.problem(what))
            return None
        try:
            return self.plugins.get(base, name.value)
        except PluginError as error:
            if name.value in self.plugins.names(base.kind):
                raise
            self.problems.append(unknown_component(name, str(error)))
            return None

    def _with_fallback(self, block: Node) -> Node:
        """Return a dataset's block with its fallback expanded to a block, which is validated."""
        written = block.child("fallback")
        if written is None:
            return block
        fallback, size = as_block(written), block.child("image_size")
        if isinstance(fallback.value, dict) and fallback.child("fallback") is not None:
            self.problems.append(fallback.problem("a fallback cannot have a fallback of its own"))
        if isinstance(fallback.value, dict):
            inherited = {} if size is None else {"image_size": size}
            self.build_one(Dataset, replace(fallback, value={**inherited, **fallback.value}))
        return replace(block, value={**block.value, "fallback": fallback})
