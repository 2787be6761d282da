"""Resolve a YAML file into a validated, complete `Experiment`; report all problems together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from typing import Any

from ganlab.components import (
    Augmentation,
    Callback,
    Dataset,
    Discriminator,
    Generator,
    Loss,
    Network,
    Regularizer,
    TrainingComponent,
)
from ganlab.config.blocks import Builder, Built, C
from ganlab.config.evaluating import read_evaluation
from ganlab.config.experiment import Experiment, ReplacedLoss, Train
from ganlab.config.layers import RawExperiment, read_single, sort_problems
from ganlab.config.naming import BUDGETS, missing_component, no_budget, unknown_sections
from ganlab.config.optimizers import read_optimizers
from ganlab.config.reader import Document
from ganlab.config.schemes import read_schemes
from ganlab.config.tree import Node, at_path, build_tree, describe_value, override
from ganlab.config.validate import validate_options
from ganlab.config.writer import leaves, to_yaml
from ganlab.errors import ConfigError, Problem
from ganlab.options import Component
from ganlab.plugins import Plugins

DEFAULT = "default"


@dataclass(frozen=True)
class LoadedExperiment:
    """An experiment that was loaded from a file."""

    experiment: Experiment

    origins: dict[str, str]
    """Where each value of `Experiment.resolved` was set, by dotted path.

    An origin is ``default``, a line such as ``my.yaml:7``, or ``-s``. A list of plain values has
    one origin.
    """

    text: str
    """The unchanged text of the file."""


def load_experiment(
    path: str | PathLike[str], plugins: Plugins, overrides: Sequence[str] = ()
) -> LoadedExperiment:
    """Read an experiment file, with what it extends below and ``a.b=VALUE`` overrides above.

    ``path`` may be an experiment's name: see `find_experiment`. Raises `ExperimentError` if there
    is no such experiment, and `ConfigError` with everything that is wrong, in the order of the
    files.
    """
    raw = read_single(path, overrides)
    return resolve_raw(raw, plugins, raw.path.stem)


def load_data(
    data: Mapping[str, Any], plugins: Plugins, overrides: Sequence[str] = ()
) -> LoadedExperiment:
    """Return the experiment that plain data describes, with overrides above it.

    Its name is that of its key ``name``, else ``experiment``. Raises `ConfigError`.
    """
    root = build_tree(Document(dict(data), lines={}))
    problems: list[Problem] = []
    for written in overrides:
        try:
            root = override(root, written)
        except ConfigError as error:
            problems += error.problems
    experiment, origins = _resolve(root, plugins, "experiment", problems)
    return LoadedExperiment(experiment, origins, to_yaml(data))


def resolve_raw(raw: RawExperiment, plugins: Plugins, name: str) -> LoadedExperiment:
    """Resolve a tree into an experiment, or raise `ConfigError` with all problems."""
    try:
        experiment, origins = _resolve(raw.root, plugins, name, list(raw.problems))
    except ConfigError as error:
        raise ConfigError(sort_problems(error.problems, raw.layers), str(raw.path)) from None
    return LoadedExperiment(experiment, origins, raw.text)


def resolve(data: Mapping[str, Any], plugins: Plugins, *, name: str = "experiment") -> Experiment:
    """Return the experiment that plain data describes, such as the data of `Experiment.resolved`.

    ``name`` is used if the data has no name. Raises `ConfigError` with all problems.
    """
    root = build_tree(Document(dict(data), lines={}))
    return _resolve(root, plugins, name, [])[0]


def fallback_experiment(experiment: Experiment, plugins: Plugins) -> Experiment | None:
    """Return the experiment with its dataset replaced by the fallback; None if it has no fallback.

    The fallback has the dataset's image size unless it sets its own. If ``fallback_images`` is set,
    it replaces all budgets.
    """
    dataset = experiment.dataset
    if dataset.fallback is None:
        return None
    block = {"image_size": dataset.image_size, **dataset.fallback}
    builder = Builder(plugins)
    node = at_path(build_tree(Document(block, lines={})), ("dataset", "fallback"))
    built = builder.build_one(Dataset, node)
    if built is None:
        raise ConfigError(builder.problems)
    changed = replace(experiment, dataset=built.component)
    if dataset.fallback_images is None:
        return changed
    budget = dict.fromkeys(BUDGETS) | {"images": dataset.fallback_images}
    return changed.with_train(**budget)


# ---------------------------------------------------------------------------- sections


def _resolve(
    root: Node, plugins: Plugins, name: str, problems: list[Problem]
) -> tuple[Experiment, dict[str, str]]:
    builder = Builder(plugins, problems)
    problems += unknown_sections(root)
    name_node = root.child("name")
    if name_node is not None:
        name = _checked_name(name_node, problems)
    dataset = _required(builder, Dataset, root)
    generator = _required(builder, Generator, root)
    discriminator = _required(builder, Discriminator, root)
    if root.child("conditioning") is None:
        problems.append(missing_component("conditioning", root, plugins.names("conditioning")))
    before = len(problems)
    schemes, schemes_node = read_schemes(builder, root.child("conditioning"))
    regularizers = builder.build_list(Regularizer, root.child("regularizers"))
    augmentations = builder.build_list(Augmentation, root.child("augmentations"))
    components: list[TrainingComponent] = [scheme.component for scheme in schemes]
    components += [built.component for built in regularizers]
    components += [built.component for built in augmentations]
    replacing = [part.name for part in components if part.replaces_loss]
    calling = [part.name for part in components if part.calls_loss]
    if replacing and calling:
        what = f"'{calling[0]}' calls the loss, which '{replacing[0]}' replaces; remove one of them"
        problems.append(Problem("loss", what, root.source))
    loss = _loss(builder, root, replacing, complete=len(problems) == before)
    optimizer, optimizer_blocks = read_optimizers(root.child("optimizer"), problems)
    train_node, train = _train(root, problems)
    evaluation = read_evaluation(builder, root.child("eval"))
    callbacks = builder.build_list(Callback, root.child("callbacks"))
    if dataset is not None:
        _check_size(builder, dataset.node, [generator, discriminator])
    if problems:
        raise ConfigError(list(dict.fromkeys(problems)))

    assert dataset is not None
    assert generator is not None
    assert discriminator is not None
    assert loss is not None
    assert train is not None
    experiment = Experiment(
        name=name,
        dataset=dataset.component,
        generator=generator.component,
        discriminator=discriminator.component,
        conditioning=tuple(schemes),
        loss=loss.component,
        regularizers=tuple(built.component for built in regularizers),
        augmentations=tuple(built.component for built in augmentations),
        optimizer=optimizer,
        train=train,
        eval=evaluation.evaluation,
        callbacks=tuple(built.component for built in callbacks),
    )
    sections: dict[str, Node | None] = {
        "name": name_node,
        "dataset": dataset.node,
        "generator": generator.node,
        "discriminator": discriminator.node,
        "conditioning": schemes_node,
        "loss": loss.node,
        "regularizers": _list_node(regularizers),
        "augmentations": _list_node(augmentations),
        "optimizer": Node(optimizer_blocks),
        "train": train_node,
        "eval": evaluation.node,
        "callbacks": _list_node(callbacks),
    }
    written = Node({key: node for key, node in sections.items() if node is not None})
    return experiment, {path: _origin(written, path) for path, _ in leaves(experiment.resolved())}


def _required(builder: Builder, base: type[C], root: Node) -> Built[C] | None:
    node = root.child(base.kind)
    if node is not None:
        return builder.build_one(base, node)
    names = builder.plugins.names(base.kind)
    builder.problems.append(missing_component(base.kind, root, names))
    return None


def _loss(
    builder: Builder, root: Node, replacing: list[str], *, complete: bool
) -> Built[Any] | None:
    """Return the loss, or a placeholder if a component replaces it.

    ``complete`` is false if some components are invalid, so that it is unknown whether one of them
    replaces the loss; a missing loss is not reported then.
    """
    node = root.child("loss")
    names = " and ".join(f"'{name}'" for name in replacing)
    if len(replacing) > 1:
        builder.problems.append(Problem("loss", f"{names} replace the loss; keep one", root.source))
    if not replacing and (node is not None or complete):
        return _required(builder, Loss, root)
    if node is not None:
        builder.problems.append(node.problem(f"{names} replaces the loss; remove one of them"))
    return Built(ReplacedLoss(), Node(None, "loss"))


def _train(root: Node, problems: list[Problem]) -> tuple[Node, Train | None]:
    node = root.child("train") or Node({}, "train", root.source)
    if not isinstance(node.value, dict):
        problems.append(
            node.problem(f"expected a block of options, got {describe_value(node.value)}")
        )
        return node, None
    problems += no_budget(node)
    return node, validate_options(Train, node, "train", problems)


def _checked_name(node: Node, problems: list[Problem]) -> str:
    if not isinstance(node.value, str):
        problems.append(node.problem(f"expected text, got {describe_value(node.value)}; quote it"))
    elif not node.value.strip(". ") or set(node.value) & set("/\\\0\n"):
        problems.append(node.problem(f"{node.value!r} is not a valid folder name"))
    return str(node.value)


def _check_size(builder: Builder, block: Node, networks: Sequence[Built[Network] | None]) -> None:
    """Refuse an image size of the dataset, or of its fallback, that a network does not support."""
    built = Builder(builder.plugins).build_one(Dataset, block)
    if built is None:
        return
    node = block.child("image_size") or replace(block, where=f"{block.where}.image_size")
    size = built.component.image_size
    for network in networks:
        if network is not None and size not in network.component.sizes:
            sizes = ", ".join(map(str, network.component.sizes))
            name = f"{network.component.kind} '{network.component.name}'"
            what = f"{name} does not support {size} x {size}; supported: {sizes}"
            builder.problems.append(node.problem(what))
    fallback = block.child("fallback")
    if fallback is not None and fallback.child("image_size") is not None:
        _check_size(builder, fallback, networks)


# ----------------------------------------------------------------------------- origins


def _list_node(built: Sequence[Built[Component]]) -> Node:
    return Node([one.node for one in built])


def _origin(root: Node, path: str) -> str:
    """Return where the value at a dotted path was set."""
    node: Node | None = root
    for key in path.split("."):
        node = None if node is None else node.at(key)
    return node.source if node is not None and node.source else DEFAULT
