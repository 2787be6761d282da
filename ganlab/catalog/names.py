"""Look up every name in an experiment file before torch is imported.

The problems found here are a subset of those that `ganlab.config.resolve` reports, with the same
messages. Values are not checked, because that requires the classes of the components.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ganlab.catalog.catalog import Catalog, Entry, OptionNames
from ganlab.config.grid import read_grid
from ganlab.config.layers import RawExperiment, read_single, sort_problems
from ganlab.config.naming import (
    missing_component,
    no_budget,
    optimizer_block,
    type_and_block,
    unknown_component,
    unknown_optimizer,
    unknown_option,
    unknown_sections,
)
from ganlab.config.tree import DEFAULT_OPTIMIZER, ROLES, Node, as_block
from ganlab.errors import ComponentNotFound, ConfigError, Problem


def check_experiment(path: Path, overrides: Sequence[str], catalog: Callable[[], Catalog]) -> None:
    """Raise `ConfigError` for an experiment that cannot be read or has unknown names.

    ``path`` is a file or the name of an experiment; `ExperimentError` is raised if there is none.
    ``catalog`` is called after the file has been read.
    """
    raw = read_single(path, overrides)
    _refuse(raw, [*raw.problems, *problems_of(raw.root, catalog())])


def check_sweep(path: Path, overrides: Sequence[str], catalog: Callable[[], Catalog]) -> None:
    """Raise `ConfigError` for a sweep that cannot be read or has unknown names."""
    raw, points = read_grid(path, overrides)
    problems = list(raw.problems)
    names = catalog()
    for point in points:
        problems += problems_of(point.raw.root, names)
    _refuse(raw, problems)


def _refuse(raw: RawExperiment, problems: list[Problem]) -> None:
    if problems:
        raise ConfigError(sort_problems(problems, raw.layers), str(raw.path))


def problems_of(root: Node, catalog: Catalog) -> list[Problem]:
    """Return a problem for each wrong or missing name in an experiment."""
    names = _Names(catalog)
    names.problems += unknown_sections(root)
    for kind in ("dataset", "generator", "discriminator", "conditioning"):
        node = root.child(kind)
        if node is None:
            names.problems.append(missing_component(kind, root, catalog.names(kind)))
        elif kind != "conditioning":
            names.check_one(kind, node)
    before = len(names.problems)
    schemes = _schemes(root)
    parts = [names.check_list("conditioning", node) for node in schemes]
    parts += [names.check_list("regularizer", root.child("regularizers"))]
    parts += [names.check_list("augmentation", root.child("augmentations"))]
    found = [entry for entries in parts for entry in entries]
    loss = root.child("loss")
    if loss is not None and not any(entry.replaces_loss for entry in found):
        names.check_one("loss", loss)
    elif len(names.problems) == before and not any(entry.replaces_loss for entry in found):
        names.problems.append(missing_component("loss", root, catalog.names("loss")))
    names.problems += _optimizer(root.child("optimizer"), catalog.sections.optimizers)
    names.train(root)
    names.evaluation(root.child("eval"))
    names.check_list("callback", root.child("callbacks"))
    return names.problems


@dataclass
class _Names:
    """Looks names up in the catalog and collects the problems."""

    catalog: Catalog
    problems: list[Problem] = field(default_factory=list)

    def check_one(self, kind: str, node: Node) -> Entry | None:
        """Return the component of a block or a bare name.

        If a name is wrong, append a problem and return None.
        """
        found = type_and_block(kind, node, self.catalog.names(kind), self.problems)
        if found is None:
            return None
        name, block = found
        if not isinstance(name.value, str):
            return None  # reported with the values
        if kind == "dataset" and (fallback := block.child("fallback")) is not None:
            self._fallback(as_block(fallback), block)
        try:
            entry = self.catalog.find(kind, name.value)
        except ComponentNotFound as error:
            self.problems.append(unknown_component(name, str(error)))
            return None
        self.problems += _unknown_options(block, entry.option_names, entry.name, but=("type",))
        return entry

    def check_list(self, kind: str, node: Node | None) -> list[Entry]:
        """Return the components of a list, or of a single block or name."""
        if node is None:
            return []
        nodes = node.value if isinstance(node.value, list) else [node]
        return [entry for one in nodes if (entry := self.check_one(kind, one))]

    def train(self, root: Node) -> None:
        node = root.child("train") or Node({}, "train", root.source)
        if isinstance(node.value, dict):
            self.problems += no_budget(node)
            self.problems += _unknown_options(node, self.catalog.sections.train, "train")

    def evaluation(self, node: Node | None) -> None:
        if node is not None and isinstance(node.value, dict):
            self.problems += _unknown_options(node, self.catalog.sections.eval, "eval")
            self.check_list("metric", node.child("metrics"))
            if (extractor := node.child("extractor")) is not None:
                self.check_one("extractor", extractor)

    def _fallback(self, fallback: Node, block: Node) -> None:
        if isinstance(fallback.value, dict) and fallback.child("fallback") is None:
            size = block.child("image_size")
            inherited = {} if size is None else {"image_size": size}
            self.check_one("dataset", replace(fallback, value={**inherited, **fallback.value}))


def _schemes(root: Node) -> list[Node]:
    """Return the lists of conditioning schemes: one for both networks, or one for each."""
    node = root.child("conditioning")
    if node is None:
        return []
    per_role = isinstance(node.value, dict) and "type" not in node.value
    if not per_role or not any(role in node.value for role in ROLES):
        return [node]
    return [child for role in ROLES if (child := node.child(role))]


def _optimizer(node: Node | None, known: dict[str, OptionNames]) -> Iterator[Problem]:
    common = Node({}, "optimizer") if node is None else as_block(node)
    if not isinstance(common.value, dict):
        return
    for role in ROLES:
        block = optimizer_block(common, role)
        if not isinstance(block.value, dict):
            continue
        name = block.child("type")
        kind = DEFAULT_OPTIMIZER if name is None else str(name.value)
        if kind in known:
            yield from _unknown_options(block, known[kind], kind, but=("type",))
        else:
            yield unknown_optimizer(name or block, kind, list(known))


def _unknown_options(
    node: Node, known: OptionNames | None, owner: str, but: tuple[str, ...] = ()
) -> Iterator[Problem]:
    """Yield a problem for each key of a block, and of the blocks in it, that is no option."""
    if known is None or not isinstance(node.value, dict):
        return
    for key, child in node.value.items():
        if key in but:
            continue
        if key not in known:
            yield child.problem(unknown_option(owner, key, list(known)))
        else:
            yield from _unknown_options(child, known[key], key)
