"""The catalog: plugins, components and their options, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ganlab.plugin_files import Plugin, claimed_twice, not_found

KINDS = (
    "dataset",
    "generator",
    "discriminator",
    "conditioning",
    "loss",
    "regularizer",
    "augmentation",
    "metric",
    "extractor",
    "callback",
)
"""The names of `ganlab.components.KINDS`, for commands that must not import torch."""

OptionNames = dict[str, Any]
"""The options of a block by name: None, or `OptionNames` for an option that is a block itself."""


@dataclass(frozen=True)
class Entry:
    """A component as its plugin declares it."""

    plugin: Plugin
    record: dict[str, Any]
    """What ``ganlab show KIND NAME --json`` prints."""

    option_names: OptionNames | None
    """None if the names alone do not say which options are valid."""

    replaces_loss: bool = False
    """True for a component in whose place the experiment writes no ``loss``."""

    trainable: bool = False
    """True for an extractor that can be trained on a dataset."""

    @property
    def kind(self) -> str:
        kind: str = self.record["kind"]
        return kind

    @property
    def name(self) -> str:
        name: str = self.record["name"]
        return name

    @property
    def summary(self) -> str:
        """The first line of the docstring."""
        doc: str = self.record["doc"]
        return doc.partition("\n")[0]


@dataclass(frozen=True)
class Sections:
    """The options of the sections that hold no components."""

    train: OptionNames
    eval: OptionNames
    optimizers: dict[str, OptionNames]
    """By ``type``."""


@dataclass(frozen=True)
class Catalog:
    """Everything that the plugins of one command declare."""

    plugins: list[Plugin]
    entries: list[Entry]
    """In the order of `ganlab.plugins.Plugins.registered`."""

    sections: Sections
    commands: list[str] | None
    """The commands that plugins add; None if asking for them raised."""

    def names(self, kind: str) -> list[str]:
        """Return the names of a kind's components, sorted."""
        return sorted({entry.name for entry in self.of_kind(kind)})

    def of_kind(self, kind: str) -> list[Entry]:
        """Return the components of a kind."""
        return [entry for entry in self.entries if entry.kind == kind]

    def find(self, kind: str, name: str) -> Entry:
        """Return the component of this kind and name.

        Raises `ComponentNotFound`, or `PluginError` if several plugins bring it.
        """
        found = [entry for entry in self.of_kind(kind) if entry.name == name]
        if not found:
            raise not_found(kind, name, self.names(kind), self.plugins)
        if len(found) > 1:
            raise claimed_twice(kind, name, [entry.plugin for entry in found])
        return found[0]

    def brought_by(self, plugin: Plugin) -> dict[str, list[str]]:
        """Return the names of a plugin's components, by kind."""
        found: dict[str, list[str]] = {}
        for entry in self.entries:
            if entry.plugin == plugin:
                found.setdefault(entry.kind, []).append(entry.name)
        return found
