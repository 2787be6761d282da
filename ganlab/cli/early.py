"""Commands that check files, YAML and names before they import torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ganlab.cli import suggestions
from ganlab.cli.app import app_of
from ganlab.workers.torchrun import started_by_torchrun

if TYPE_CHECKING:
    from ganlab.catalog.catalog import Catalog


class ExperimentCommand(click.Command):
    """A command on an experiment, given by a file or a name; ``-s`` overrides its values."""

    file = "experiment"
    """The parameter that holds the file or the name."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        given = list(args)
        ctx.allow_extra_args = True  # refused below, with a suggestion
        try:
            rest = super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            raise suggestions.unknown_option(error, given, app_of(ctx).catalog) from None
        if ctx.args and not ctx.resilient_parsing:
            raise suggestions.unexpected(ctx.args, ctx)
        return rest

    def invoke(self, ctx: click.Context) -> Any:
        path = ctx.params[self.file]
        # Processes of torchrun check together, so that an error is printed once.
        if path is not None and not ctx.params.get("files") and not started_by_torchrun():
            for settings in ([], *ctx.params.get("against", ())):
                self.check_names(ctx, path, [*ctx.params["overrides"], *settings])
        return super().invoke(ctx)

    def check_names(self, ctx: click.Context, path: Path, overrides: Sequence[str]) -> None:
        """Raise `ConfigError` for an experiment that cannot be read or has unknown names."""
        from ganlab.catalog.names import check_experiment

        check_experiment(path, overrides, lambda: self.catalog(ctx))

    def catalog(self, ctx: click.Context) -> Catalog:
        """Return the catalog that names are looked up in."""
        return app_of(ctx).catalog()


class TrainingCommand(ExperimentCommand):
    """A command that trains, and therefore refuses plugin files of the user that do not load."""

    def catalog(self, ctx: click.Context) -> Catalog:
        from ganlab.plugin_files import check_local

        catalog = app_of(ctx).catalog()
        check_local(catalog.plugins)
        return catalog


class SweepCommand(TrainingCommand):
    """A command on a sweep, given by a file or a name."""

    file = "file"

    def check_names(self, ctx: click.Context, path: Path, overrides: Sequence[str]) -> None:
        from ganlab.catalog.names import check_sweep

        check_sweep(path, overrides, lambda: self.catalog(ctx))


def check_component(ctx: click.Context, kind: str, name: str) -> None:
    """Raise `ComponentNotFound` if no component of this kind has the name.

    A block of options in place of a name is left to the full check.
    """
    if not name.lstrip().startswith("{"):
        app_of(ctx).catalog().find(kind, name)


def check_names(ctx: click.Context, *, extractor: str | None, dataset: str | None = None) -> None:
    """Raise an error for an unknown extractor or dataset; a dataset may be an experiment on it."""
    from ganlab.catalog.names import check_experiment
    from ganlab.config.locate import is_experiment

    if extractor is not None:
        check_component(ctx, "extractor", extractor)
    if dataset is None:
        return
    catalog = app_of(ctx).catalog()
    if dataset not in catalog.names("dataset") and is_experiment(dataset):
        check_experiment(Path(dataset), (), lambda: catalog)
    else:
        catalog.find("dataset", dataset)
