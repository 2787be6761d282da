"""The command group: commands are imported when they are called, plugins may add more."""

from __future__ import annotations

import importlib
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import entry_points
from typing import Any

import click

from ganlab.cli.app import app_of
from ganlab.cli.failures import Failure
from ganlab.cli.suggestions import SuggestingGroup
from ganlab.errors import GanlabError, Interrupted
from ganlab.plugin_files import GROUP, LOCAL_FOLDER

SECTIONS = {
    "Train": ("run", "sweep", "experiments", "sample", "bench"),
    "Compare": ("eval", "extractor"),
    "Extend": ("new", "plugins", "show"),
    "Check": ("check", "schema"),
}
COMMANDS = tuple(name for names in SECTIONS.values() for name in names)


class Group(SuggestingGroup):
    """Commands that are imported when they are called; plugins may add more."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*COMMANDS, *sorted(set(self._added(ctx)) - set(COMMANDS))]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in COMMANDS:
            command: click.Command = importlib.import_module(f"ganlab.cli.{cmd_name}").command
            return command
        if cmd_name not in self._added(ctx):
            return None
        return app_of(ctx).added_commands().get(cmd_name)

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        with _reported():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with _reported():
                return super().invoke(ctx)
        except Interrupted as stopped:
            click.echo(f"{signal.Signals(stopped.signal).name}: {stopped}.", err=True)
            ctx.exit(128 + stopped.signal)
        except KeyboardInterrupt:
            click.echo("Interrupted.", err=True)
            ctx.exit(130)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        added = [name for name in self.list_commands(ctx) if name not in COMMANDS]
        for title, names in (*SECTIONS.items(), ("From plugins", added)):
            rows = []
            for name in names:
                command = self.get_command(ctx, name)
                if command is not None:
                    rows.append((name, command.get_short_help_str(formatter.width - 16)))
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)

    def _added(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands that plugins add."""
        if not self._may_add_commands(ctx):
            return []
        names = app_of(ctx).catalog().commands
        return sorted(app_of(ctx).added_commands()) if names is None else names

    def _may_add_commands(self, ctx: click.Context) -> bool:
        """Return True if a plugin may add commands; the shipped ones add none."""
        if any(
            point.dist is None or point.dist.name != "ganlab" for point in entry_points(group=GROUP)
        ):
            return True
        folders = [*app_of(ctx).folders, LOCAL_FOLDER]
        files = (file for folder in folders for file in folder.glob("*.py"))
        return any(b"register_commands" in file.read_bytes() for file in files)


@contextmanager
def _reported() -> Iterator[None]:
    try:
        yield
    except GanlabError as error:
        raise Failure(error) from error
