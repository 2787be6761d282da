"""Find, load, isolate and list plugins.

Plugins come from the entry-point group ``ganlab`` and from ``*.py`` files in the user's folders. An
entry point names a module, or a package whose modules are the plugins; the components of ganlab
itself are such a package. Plugins load one at a time: a plugin that fails is recorded, and the
others still load.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import pkgutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar, cast

import pluggy

from ganlab import hookspecs
from ganlab.components import KINDS
from ganlab.errors import ComponentNotFound, PluginError, did_you_mean
from ganlab.options import Component
from ganlab.plugin_files import (
    GROUP,
    LOCAL_FOLDER,
    Plugin,
    check_folders,
    check_local,
    claimed_twice,
    not_found,
)

C = TypeVar("C", bound=Component)
OWN_DISTRIBUTION = "ganlab"
MARKED = "ganlab_impl"
"""The attribute that ``hookimpl`` leaves on a function."""

HOOK_OF_KIND = {
    kind: f"register_{kind}es" if kind.endswith("s") else f"register_{kind}s" for kind in KINDS
}


@dataclass(frozen=True)
class Registered:
    """A component and the plugin that registered it."""

    component: type[Component]
    plugin: Plugin


class Plugins:
    """The plugins of one process or one test: there is no global registry."""

    def __init__(self) -> None:
        self.manager = pluggy.PluginManager("ganlab")
        self.manager.add_hookspecs(hookspecs)
        self.plugins: dict[str, Plugin] = {}
        self._components: dict[str, dict[str, list[Registered]]] = {kind: {} for kind in KINDS}
        self._allowed = _names_of("GANLAB_LOAD_PLUGINS")
        self._blocked = _names_of("GANLAB_BLOCK_PLUGINS") or set()
        if os.environ.get("GANLAB_TRACE_PLUGINS"):
            self.manager.add_hookcall_monitoring(_trace, lambda *_: None)

    # ------------------------------------------------------------------------- look-ups

    def names(self, kind: str) -> list[str]:
        """Return the names of a kind's components, sorted."""
        return sorted(self._components[kind])

    def find(self, kind: str, name: str) -> Registered:
        """Return the component of this kind and name, or raise `PluginError` with advice."""
        owners = self._components[kind].get(name, [])
        if not owners:
            raise not_found(kind, name, self.names(kind), list(self.plugins.values()))
        if len(owners) > 1:
            raise claimed_twice(kind, name, [owner.plugin for owner in owners])
        return owners[0]

    def get(self, base: type[C], name: str) -> type[C]:
        """Return the component of this base class and name, or raise `PluginError`."""
        return cast(type[C], self.find(base.kind, name).component)

    def registered(self, kind: str | None = None) -> list[Registered]:
        """Return every component, of one kind or of all, in a fixed order."""
        return [
            owner
            for one_kind, by_name in self._components.items()
            for name in sorted(by_name)
            for owner in by_name[name]
            if kind in (None, one_kind)
        ]

    def origin(self, component: type[Component]) -> Plugin:
        """Return the plugin that registered this class."""
        for owner in self.registered(component.kind):
            if owner.component is component:
                return owner.plugin
        raise PluginError(f"{component.kind} '{component.name}' was not registered by a plugin")

    def check_local(self) -> None:
        """Raise `PluginError` if a plugin file of the user did not load."""
        check_local(self.plugins.values())

    # -------------------------------------------------------------------------- loading

    def load_installed(self) -> None:
        """Load the plugins of the entry-point group ``ganlab``, ganlab first, then by name."""
        found = entry_points(group=GROUP)
        for point in sorted(found, key=lambda point: (_source(point) != "built in", point.name)):
            self._load_entry_point(point)

    def load_folder(self, folder: Path) -> None:
        """Load every ``*.py`` file of a folder, sorted by name, except those that begin with _."""
        for file in sorted(folder.glob("*.py")):
            if not file.name.startswith("_"):
                file = file.resolve()
                self.add(file.stem, str(file), partial(import_file, file), file=file)

    def check_lists(self) -> None:
        """Raise `PluginError` if the allow list or the block list names an unknown plugin."""
        for variable, names in (
            ("GANLAB_LOAD_PLUGINS", self._allowed or set()),
            ("GANLAB_BLOCK_PLUGINS", self._blocked),
        ):
            for name in sorted(names - self.plugins.keys()):
                hint = did_you_mean(name, sorted(self.plugins))
                raise ComponentNotFound(f"{variable}: there is no plugin '{name}'{hint}")

    def add(
        self, name: str, source: str, load: Callable[[], Any], *, file: Path | None = None
    ) -> None:
        """Load one plugin. Record its error, or raise it if GANLAB_STRICT_PLUGINS is set."""
        not_allowed = self._allowed is not None and name not in self._allowed
        if name in self._blocked or (not_allowed and source != "built in"):
            self.plugins[name] = Plugin(name, source, file, status="blocked")
            return
        key = name if name not in self.plugins else source
        try:
            if key != name:
                raise PluginError(f"{self.plugins[name].source} is already called '{name}'")
            module = load()
            _check_hook_names(module)
            self.manager.register(module, name)
            self._collect(module, Plugin(name, source, file))
        except (Exception, SystemExit) as error:
            if os.environ.get("GANLAB_STRICT_PLUGINS"):
                raise
            if key == name and self.manager.has_plugin(name):
                self.manager.unregister(name=name)
            self.plugins[key] = Plugin(name, source, file, status=_reason(error, file))
        else:
            self.plugins[name] = Plugin(name, source, file)

    def _load_entry_point(self, point: EntryPoint) -> None:
        source = _source(point)
        try:
            package = point.load()
            modules = _modules_of(package, prefix="" if source == "built in" else point.name)
        except (Exception, SystemExit) as error:
            self.plugins[point.name] = Plugin(point.name, source, status=_reason(error, None))
            return
        if not modules:
            self.add(point.name, source, lambda: package, file=_file_of(package))
        for name, module in modules:
            spec = importlib.util.find_spec(module)
            file = Path(spec.origin) if spec and spec.origin else None
            self.add(name, source, partial(importlib.import_module, module), file=file)

    def _collect(self, module: Any, plugin: Plugin) -> None:
        """Collect the components of one plugin; register them only if all of them are valid."""
        found: list[Registered] = []
        for kind, hook in HOOK_OF_KIND.items():
            for component in getattr(module, hook, list)():
                if not (isinstance(component, type) and issubclass(component, KINDS[kind])):
                    expected = f"classes derived from {KINDS[kind].__name__}"
                    raise PluginError(f"{hook}() must return a list of {expected}: {component!r}")
                if not isinstance(getattr(component, "name", None), str):
                    raise PluginError(f"{component.__name__} has no `name`")
                found.append(Registered(component, plugin))
        for owner in found:
            kind, name = owner.component.kind, owner.component.name
            self._components[kind].setdefault(name, []).append(owner)


def load_plugins(folders: Sequence[Path] = ()) -> Plugins:
    """Load installed plugins, then the files of these folders, then ``./plugins``."""
    plugins = Plugins()
    plugins.load_installed()
    check_folders(folders)
    here = LOCAL_FOLDER.resolve()
    known = {plugin.file.resolve() for plugin in plugins.plugins.values() if plugin.file}
    for folder in dict.fromkeys([*(folder.resolve() for folder in folders), here]):
        # In a checkout of ganlab, ./plugins is the built-in package, which is already loaded.
        if folder.is_dir() and not any(folder in file.parents for file in known):
            plugins.load_folder(folder)
    plugins.check_lists()
    return plugins


def import_file(path: Path) -> ModuleType:
    """Import a plugin file by name, so that spawned data-loading workers can import it too."""
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))  # append: never shadow an installed module
    importlib.invalidate_caches()
    spec = importlib.util.find_spec(path.stem)
    if spec is None or spec.origin != str(path):
        raise PluginError(f"another module is called '{path.stem}'; rename {path.name}")
    return importlib.import_module(path.stem)


def _names_of(variable: str) -> set[str] | None:
    text = os.environ.get(variable)
    return None if text is None else {name.strip() for name in text.split(",") if name.strip()}


def _source(point: EntryPoint) -> str:
    if point.dist is None:
        return point.value
    own = point.dist.name == OWN_DISTRIBUTION
    return "built in" if own else f"{point.dist.name} {point.dist.version}"


def _modules_of(package: ModuleType, *, prefix: str) -> list[tuple[str, str]]:
    """Return (plugin name, module name) for each module of a package that has no hooks itself."""
    has_hooks = any(hasattr(value, MARKED) for value in vars(package).values())
    if has_hooks or not hasattr(package, "__path__"):
        return []
    start = f"{package.__name__}."
    found = []
    for module in _walk(package.__path__, start):
        name = module.removeprefix(start)
        found.append((f"{prefix}.{name}" if prefix else name, module))
    return sorted(found)


def _walk(path: Any, prefix: str) -> Iterator[str]:
    """Yield the module names below a package without importing them: an import may fail."""
    for info in pkgutil.iter_modules(path, prefix):
        if info.name.rpartition(".")[2].startswith("_"):
            continue
        if info.ispkg:
            folder = info.name.rpartition(".")[2]
            yield from _walk([str(Path(p) / folder) for p in path], f"{info.name}.")
        else:
            yield info.name


def _check_hook_names(module: Any) -> None:
    """Raise `PluginError` for a misspelt hook, which would otherwise never be called."""
    known = [name for name in vars(hookspecs) if name.startswith(("register_", "on_"))]
    for name, value in vars(module).items():
        if hasattr(value, MARKED) and name not in known:
            raise PluginError(f"there is no hook '{name}'{did_you_mean(name, known)}")


def _file_of(module: ModuleType) -> Path | None:
    file = getattr(module, "__file__", None)
    return Path(file) if file else None


def _reason(error: BaseException, file: Path | None) -> str:
    """Return the error in one line, with the line number if it is in the plugin's own file."""
    text = " ".join(str(error).split()) or "no message"
    line = None
    trace = error.__traceback__
    while trace is not None:
        if file is not None and trace.tb_frame.f_code.co_filename == str(file):
            line = trace.tb_lineno
        trace = trace.tb_next
    return f"{type(error).__name__}: {text}" + (f" (line {line})" if line else "")


def _trace(hook_name: str, _methods: object, kwargs: Mapping[str, Any]) -> None:
    print(f"hook {hook_name}({', '.join(kwargs)})", file=sys.stderr)
