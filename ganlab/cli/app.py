"""The command line's skeleton: commands on demand, plugins only where they are needed."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ganlab.cli.suggestions import SuggestingGroup
from ganlab.errors import GanlabError
from ganlab.plugin_files import GROUP, LOCAL_FOLDER

if TYPE_CHECKING:
    from ganlab.catalog.catalog import Catalog
    from ganlab.plugin_files import Plugin
    from ganlab.plugins import Plugins

SECTIONS = {
    "Train": ("run", "sweep", "sample", "bench"),
    "Compare": ("eval", "extractor"),
    "Extend": ("new", "plugins", "show"),
    "Check": ("check", "schema"),
}
COMMANDS = tuple(name for names in SECTIONS.values() for name in names)


class App:
    """What commands share: the plugins and their catalog, each read when first asked for."""

    def __init__(self) -> None:
        self.folders: list[Path] = []
        self._plugins: Plugins | None = None
        self._catalog: Catalog | None = None
        self._added: click.Group | None = None
        self._warned = False

    def plugins(self, *, silent: Sequence[Path] = ()) -> Plugins:
        """Return the plugins, which imports torch.

        Prints a warning for each plugin that did not load, except those in the ``silent`` files.
        """
        if self._plugins is None:
            from ganlab.plugins import load_plugins

            self._plugins = load_plugins(self.folders)
            self._warn(self._plugins.plugins.values(), silent)
        return self._plugins

    def catalog(self) -> Catalog:
        """Return what the plugins declare, without torch unless plugins changed since last time."""
        from ganlab.catalog import store

        if self._catalog is None:
            key = self.fingerprint()
            self._catalog = store.read(key)
            if self._catalog is None:
                from ganlab.catalog.describe import describe

                self._catalog = describe(self.plugins())
                store.keep(key, self._catalog)
            self._warn(self._catalog.plugins)
        return self._catalog

    def fingerprint(self) -> str:
        """Return the hash of everything that decides what loading the plugins gives."""
        from ganlab.plugin_files import check_folders, fingerprint

        check_folders(self.folders)
        return fingerprint(self.folders)

    def added_commands(self) -> dict[str, click.Command]:
        """Return the commands that plugins bring. None of them can replace a built-in one."""
        if self._added is None:
            self._added = click.Group()
            self.plugins().manager.hook.register_commands(cli=self._added)
        return dict(self._added.commands)

    def _warn(self, plugins: Iterable[Plugin], silent: Sequence[Path] = ()) -> None:
        if self._warned:
            return
        self._warned = True
        for plugin in plugins:
            if plugin.failed and plugin.file not in silent:
                # `run` goes further and refuses a broken file of the user's own.
                warn(f"{plugin.source} did not load: {plugin.status}")


class Failure(click.ClickException):
    """A `GanlabError` as click prints it: one ``Error:`` line, and details indented below."""

    def __init__(self, error: GanlabError) -> None:
        super().__init__(str(error))
        self.exit_code = error.exit_code  # type: ignore[misc]  # click reads it from instances


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
        """Return the names of the commands that plugins bring."""
        if not self._may_add_commands(ctx):
            return []
        names = app_of(ctx).catalog().commands
        return sorted(app_of(ctx).added_commands()) if names is None else names

    def _may_add_commands(self, ctx: click.Context) -> bool:
        """True if the plugins could bring commands at all; the shipped ones bring none."""
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
