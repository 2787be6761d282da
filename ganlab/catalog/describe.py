"""Make the catalog from loaded plugins. Importing this imports torch."""

from __future__ import annotations

from types import NoneType
from typing import Any, get_args

import click

from ganlab.catalog.catalog import Catalog, Entry, OptionNames, Sections
from ganlab.catalog.record import record_of
from ganlab.components import TrainingComponent
from ganlab.config.evaluating import Eval
from ganlab.config.experiment import OPTIMIZERS, Train
from ganlab.metrics import Extractor
from ganlab.options import Options
from ganlab.plugins import Plugins, Registered


def describe(plugins: Plugins) -> Catalog:
    """Return everything that these plugins declare."""
    return Catalog(
        plugins=list(plugins.plugins.values()),
        entries=[_entry(owner) for owner in plugins.registered()],
        sections=Sections(
            train=_declared(Train),
            eval={**_declared(Eval), "metrics": None, "extractor": None},
            optimizers={name: _declared(cls) for name, cls in OPTIMIZERS.items()},
        ),
        commands=_commands(plugins),
    )


def option_names(cls: type[Options]) -> OptionNames | None:
    """Return the names of a class's options; None if other names may be valid too.

    That is so for aliases, for a validator that sees what was written, and for ``extra``.
    """
    validators = cls.__pydantic_decorators__.model_validators.values()
    rewritten = any(validator.info.mode in ("before", "wrap") for validator in validators)
    aliased = any(info.alias or info.validation_alias for info in cls.model_fields.values())
    if rewritten or aliased or cls.model_config.get("extra") != "forbid":
        return None
    return _declared(cls)


def _declared(cls: type[Options]) -> OptionNames:
    return {name: _inner(info.annotation) for name, info in cls.model_fields.items()}


def _inner(annotation: Any) -> OptionNames | None:
    """Return the option names of an option that is a block of options, or null."""
    members = set(get_args(annotation) or (annotation,)) - {NoneType}
    cls = next(iter(members)) if len(members) == 1 else None
    return option_names(cls) if isinstance(cls, type) and issubclass(cls, Options) else None


def _entry(owner: Registered) -> Entry:
    cls = owner.component
    return Entry(
        plugin=owner.plugin,
        record=record_of(owner),
        option_names=option_names(cls),
        replaces_loss=issubclass(cls, TrainingComponent) and cls.replaces_loss,
        trainable=issubclass(cls, Extractor) and cls.train is not Extractor.train,
    )


def _commands(plugins: Plugins) -> list[str] | None:
    group = click.Group()
    try:
        plugins.manager.hook.register_commands(cli=group)
    except Exception:  # the command line asks again where it needs them, and reports it there
        return None
    return sorted(group.commands)
