"""Say what was meant where a command, an option or an argument does not exist."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import click

from ganlab.catalog.catalog import KINDS
from ganlab.errors import did_you_mean

if TYPE_CHECKING:
    from ganlab.catalog.catalog import Catalog

HABITS = {
    "resume": "repeat the command: a run continues by itself",
    "continue": "repeat the command: a run continues by itself",
    "restart": "write --fresh to start over",
    "overwrite": "write --fresh to start over",
    "config": "the experiment file is the first argument",
    "tag": "write -s name=NAME to give the run another folder",
    "tags": "write -s name=NAME to give the run another folder",
    "output": "write --runs-dir to say where runs are kept",
    "outdir": "write --runs-dir to say where runs are kept",
    "output-dir": "write --runs-dir to say where runs are kept",
    "num-gpus": "write --gpus",
}
"""Options of other tools, and what ganlab has instead."""

ABBREVIATIONS = {
    "bs": "batch_size",
    "batch": "batch_size",
    "random_seed": "seed",
    "learning_rate": "lr",
    "num_epochs": "epochs",
    "iterations": "steps",
    "iters": "steps",
    "resolution": "image_size",
    "amp": "precision",
}
"""Other names of options."""


class SuggestingGroup(click.Group):
    """A group that suggests the command which was meant."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if not name.startswith("-") and self.get_command(ctx, name) is None:
            hint = did_you_mean(name, self.list_commands(ctx))
            raise click.UsageError(f"there is no command '{name}'{hint}", ctx)
        return super().resolve_command(ctx, args)


def unknown_option(
    error: click.NoSuchOption, args: list[str], catalog: Callable[[], Catalog]
) -> click.UsageError:
    """Return the error for an option that this command does not have."""
    option = error.option_name
    name = option.lstrip("-").replace("_", "-")
    if name in HABITS:
        return _error(f"there is no option '{option}': {HABITS[name]}", error)
    if option.startswith("--"):
        key = key_of(name, catalog())
        if key is not None:
            setting = f"{key}={_value(option, args)}"
            return _error(f"there is no option '{option}': write -s {setting}", error)
    near = get_close_matches(option, error.possibilities or [], n=1)
    hint = f"; did you mean '{near[0]}'?" if near else ""
    return _error(f"there is no option '{option}'{hint}", error)


def key_of(option: str, catalog: Catalog) -> str | None:
    """Return the dotted key of an experiment that an option is named after, if there is one.

    Options of ``train`` come first, then those of the optimizers, of ``eval`` and of all datasets.
    """
    name = option.replace("-", "_")
    name = ABBREVIATIONS.get(name, name)
    if name in (*KINDS, "name", "optimizer"):
        plural = {"regularizer": "regularizers", "augmentation": "augmentations"}
        return {"metric": "eval.metrics", "extractor": "eval.extractor", **plural}.get(name, name)
    sections = catalog.sections
    of_optimizers = {key for options in sections.optimizers.values() for key in options}
    of_datasets = [set(entry.option_names or ()) for entry in catalog.of_kind("dataset")]
    candidates: list[tuple[str, Any]] = [
        ("train", sections.train),
        ("optimizer", of_optimizers),
        ("eval", sections.eval),
        ("dataset", set.intersection(*of_datasets) if of_datasets else set()),
    ]
    for section, options in candidates:
        if name in options:
            return f"{section}.{name}"
    return None


def _value(option: str, args: list[str]) -> str:
    """Return the value that was written behind an option, or a word that stands for one."""
    for i, argument in enumerate(args):
        if argument.startswith(f"{option}="):
            return argument.partition("=")[2]
        if argument == option:
            following = args[i + 1] if i + 1 < len(args) else "-"
            return "VALUE" if following.startswith("-") else following
    return "VALUE"


def unexpected(arguments: list[str], ctx: click.Context) -> click.UsageError:
    """Return the error for arguments that the command does not take."""
    named = " ".join(f"'{argument}'" for argument in arguments)
    settings = [argument for argument in arguments if "=" in argument.strip("=")]
    hint = f": write {' '.join(f'-s {setting}' for setting in settings)}" if settings else ""
    plural = "s" if len(arguments) > 1 else ""
    return click.UsageError(f"unexpected argument{plural} {named}{hint}", ctx)


def _error(text: str, error: click.NoSuchOption) -> click.UsageError:
    return click.UsageError(text, error.ctx)
