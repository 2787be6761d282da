"""The command line's skeleton: commands on demand, plugins only where they are needed."""

from __future__ import annotations

import importlib
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ganlab.cli.failures import Failure
from ganlab.errors import GanlabError, Interrupted

if TYPE_CHECKING:
    from ganlab.plugins import Plugins

SECTIONS = {
    "Train": ("run", "sweep", "experiments", "sample", "bench"),
    "Compare": ("eval", "extractor"),
    "Extend": ("new", "plugins", "show"),
    "Check": ("check", "schema"),
}
COMMANDS = tuple(name for names in SECTIONS.values() for name in names)


class App:
    """What commands share: the plugins, loaded when first asked for."""

    def __init__(self) -> None:
        self.folders: list[Path] = []
        self._plugins: Plugins | None = None
        self._added: click.Group | None = None

    def plugins(self, *, silent: Sequence[Path] = ()) -> Plugins:
        """Return the plugins, saying on stderr which of them, but the ``silent``, did not load."""
        if self._plugins is None:
            from ganlab.plugins import load_plugins

            self._plugins = load_plugins(self.folders)
            for plugin in self._plugins.plugins.values():
                if plugin.file in silent:
                    continue
                if plugin.failed:  # `run` goes further and refuses a broken file of the user's own
                    warn(f"{plugin.source} did not load: {plugin.status}")
        return self._plugins

    @property
    def loaded(self) -> Plugins | None:
        """The plugins, if they were needed already."""
        return self._plugins

    def added_commands(self) -> dict[str, click.Command]:
        """Return the commands that plugins bring. None of them can replace a built-in one."""
        if self._added is None:
            self._added = click.Group()
            self.plugins().manager.hook.register_commands(cli=self._added)
        return dict(self._added.commands)


class Group(click.Group):
    """Commands that are imported when they are called; plugins may add more."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        added = app_of(ctx).added_commands() if self._may_add_commands(ctx) else {}
        return [*COMMANDS, *sorted(added.keys() - COMMANDS)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in COMMANDS:
            command: click.Command = importlib.import_module(f"ganlab.cli.{cmd_name}").command
            return command
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

    def _may_add_commands(self, ctx: click.Context) -> bool:
        """True if loading plugins, which takes seconds, could show more commands."""
        if any(
            point.dist is None or point.dist.name != "ganlab"
            for point in entry_points(group="ganlab")
        ):
            return True
        folders = [*app_of(ctx).folders, Path("plugins")]
        files = (file for folder in folders for file in folder.glob("*.py"))
        return any(b"register_commands" in file.read_bytes() for file in files)


@contextmanager
def _reported() -> Iterator[None]:
    try:
        yield
    except GanlabError as error:
        raise Failure(error) from error


def warn(message: str) -> None:
    """Print a warning on stderr."""
    click.secho(f"warning: {message}", fg="yellow", err=True)


def app_of(ctx: click.Context) -> App:
    """Return what the commands of this call share."""
    root = ctx.find_root()
    if root.obj is None:
        root.obj = App()
    app: App = root.obj
    return app


def _add_folders(ctx: click.Context, _: click.Parameter, folders: tuple[Path, ...]) -> None:
    if folders:
        app_of(ctx).folders += folders


plugins_dir_option = click.option(
    "--plugins-dir",
    type=click.Path(path_type=Path),
    multiple=True,
    is_eager=True,
    expose_value=False,
    callback=_add_folders,
    help="Load the plugin files of this folder too, beside ./plugins. Repeatable.",
)
set_option = click.option(
    "-s",
    "--set",
    "overrides",
    metavar="KEY=VALUE",
    multiple=True,
    help="Override a value: -s train.epochs=2, -s conditioning=cbn. Repeatable.",
)
runs_dir_option = click.option(
    "--runs-dir",
    type=click.Path(path_type=Path),
    default=Path("runs"),
    show_default=True,
    envvar="GANLAB_RUNS",
    show_envvar=True,
    help="Where the run directories lie.",
)
data_root_option = click.option(
    "--data-root",
    type=click.Path(path_type=Path),
    envvar="GANLAB_DATA",
    show_envvar=True,
    help="Where datasets lie, or are downloaded to.",
)
