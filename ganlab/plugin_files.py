"""Where plugins lie: the files that loading them reads, found without importing any."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

from ganlab.errors import ComponentNotFound, PluginError, UsageError, did_you_mean

GROUP = "ganlab"
"""The entry-point group of plugins."""

LOCAL_FOLDER = Path("plugins")
"""The folder of plugin files in the working directory, which is always searched."""


@dataclass(frozen=True)
class Plugin:
    """One plugin module, loaded or not."""

    name: str
    """What the listing shows and GANLAB_BLOCK_PLUGINS takes."""

    source: str
    """``built in``, ``<distribution> <version>``, or the file's path."""

    file: Path | None = None
    status: str = "loaded"
    """``loaded``, ``blocked``, or why it did not load."""

    @property
    def local(self) -> bool:
        """True for a file of the user's own, which no package brought."""
        return self.file is not None and self.source == str(self.file)

    @property
    def failed(self) -> bool:
        return self.status not in ("loaded", "blocked")


def not_found(
    kind: str, name: str, names: Sequence[str], plugins: Sequence[Plugin]
) -> ComponentNotFound:
    """Return the error for a component that no plugin brings."""
    lost = "".join(f"; {p.source} did not load: {p.status}" for p in plugins if p.failed)
    return ComponentNotFound(f"there is no {kind} '{name}'{did_you_mean(name, names)}{lost}")


def claimed_twice(kind: str, name: str, owners: Sequence[Plugin]) -> PluginError:
    """Return the error for a component that several plugins bring."""
    named = " and ".join(f"{owner.name} ({owner.source})" for owner in owners)
    return PluginError(f"{kind} '{name}' comes from two plugins: {named}; block or rename one")


def check_local(plugins: Iterable[Plugin]) -> None:
    """Raise `PluginError` for a file of the user's own that did not load."""
    for plugin in plugins:
        if plugin.failed and plugin.local:
            raise PluginError(
                f"{plugin.source} did not load: {plugin.status}; mend it, move it away, or set "
                f"GANLAB_BLOCK_PLUGINS={plugin.name}"
            )


def check_folders(folders: Sequence[Path]) -> None:
    """Raise `UsageError` for the first of these plugin folders that does not exist."""
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(f"--plugins-dir {folder}: there is no such folder")


def fingerprint(folders: Sequence[Path]) -> str:
    """Return a hash of everything that decides what loading the plugins gives.

    It covers the versions of Python and of every installed package, the GANLAB_*_PLUGINS variables,
    the entry points, ganlab's own files, and the files of the plugins with their private
    neighbours. Files of packages count by size and time of change; files in plugin folders, which
    people edit, by content.
    """
    digest = hashlib.sha256()
    for part in _parts(folders):
        digest.update(part.encode(errors="surrogateescape") + b"\0")
    return digest.hexdigest()


def _parts(folders: Sequence[Path]) -> Iterator[str]:
    yield f"python {platform.python_version()}, {sys.executable}"
    yield from sorted(f"{k}={v}" for k, v in os.environ.items() if _is_about_plugins(k))
    yield from _distributions()
    roots = {Path(__file__).parent}
    for point in sorted(entry_points(group=GROUP)):
        version = "" if point.dist is None else f"{point.dist.name} {point.dist.version}"
        yield f"{point.name} {point.value} {version}"
        # The top-level package alone: to find a module in it would import the package.
        spec = find_spec(point.module.partition(".")[0])
        if spec is not None:
            places = [*(spec.submodule_search_locations or ()), spec.origin]
            roots |= {Path(place) for place in places if place}
    for root in sorted(roots):
        for file in sorted(root.rglob("*.py")) if root.is_dir() else [root]:
            if file.is_file():
                about = file.stat()
                yield f"{file} {about.st_size} {about.st_mtime_ns}"
    for folder in dict.fromkeys(folder.resolve() for folder in (*folders, LOCAL_FOLDER)):
        for file in _sources(folder):
            yield f"{file} {hashlib.sha256(file.read_bytes()).hexdigest()}"


def _is_about_plugins(variable: str) -> bool:
    return variable.startswith("GANLAB_") and variable.endswith("_PLUGINS")


def _distributions() -> Iterator[str]:
    """Yield the installed packages by the folders of their metadata, which carry the version.

    A plugin may load or fail because of any of them.
    """
    for entry in dict.fromkeys(sys.path):
        if os.path.isdir(entry or "."):
            names = (n for n in os.listdir(entry or ".") if n.endswith((".dist-info", ".egg-info")))
            yield from (f"{entry} {name}" for name in sorted(names))


def _sources(folder: Path) -> Iterator[Path]:
    """Yield the Python files of a folder and of the packages in it, sorted."""
    if not folder.is_dir():
        return
    yield from (file for file in sorted(folder.glob("*.py")) if file.is_file())
    for package in sorted(folder.iterdir()):
        if (package / "__init__.py").is_file():
            yield from _sources(package)
