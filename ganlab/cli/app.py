"""What the commands of one call share: the plugins and their catalog."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ganlab.cli.stderr import warn

if TYPE_CHECKING:
    from ganlab.catalog.catalog import Catalog
    from ganlab.catalog.store import Networks
    from ganlab.plugin_files import Plugin
    from ganlab.plugins import Plugins


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
        """Return what the plugins declare. Imports torch only if they changed since last time."""
        from ganlab.catalog import store

        if self._catalog is None:
            key = self._fingerprint()
            self._catalog = store.read(key)
            if self._catalog is None:
                from ganlab.catalog.describe import describe

                self._catalog = describe(self.plugins())
                store.keep(key, self._catalog)
            self._warn(self._catalog.plugins)
        return self._catalog

    def networks(self) -> Networks:
        """Return the files of trained networks. Imports torch only if plugins or files changed."""
        from ganlab.catalog import store

        self.catalog()  # warns about plugins that did not load
        return store.networks(self._fingerprint(), self._find_networks)

    def _find_networks(self) -> Networks:
        from ganlab.lab.extractors import network_files

        return network_files(self.plugins())

    def _fingerprint(self) -> str:
        """Return the hash of everything that decides what loading the plugins gives."""
        from ganlab.plugin_files import check_folders, fingerprint

        check_folders(self.folders)
        return fingerprint(self.folders)

    def added_commands(self) -> dict[str, click.Command]:
        """Return the commands that plugins add. None of them can replace a built-in one."""
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


def app_of(ctx: click.Context) -> App:
    """Return what the commands of this call share."""
    root = ctx.find_root()
    if root.obj is None:
        root.obj = App()
    app: App = root.obj
    return app
