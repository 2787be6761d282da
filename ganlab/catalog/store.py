"""Keep the catalog in ganlab's cache, under a hash of everything that could change it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ganlab.catalog.catalog import Catalog, Entry, Sections
from ganlab.files import cache_dir, write_json
from ganlab.plugin_files import Plugin

FORMAT = 2
"""Raised when the catalog's own form changes."""

Networks = dict[str, dict[str, list[Path]]]
"""The files of networks, by extractor and dataset."""

KEPT = 20
"""Catalogs in the cache; older ones are deleted."""

DAMAGED = (OSError, ValueError, LookupError, TypeError, AttributeError)
"""What reading a file that is missing, cut short or of another form raises."""


def read(key: str) -> Catalog | None:
    """Return the catalog that is kept under a key; None if it is not there or damaged."""
    try:
        return _from_data(json.loads(_file(key).read_text(encoding="utf-8")))
    except DAMAGED:
        return None


def keep(key: str, catalog: Catalog) -> None:
    """Keep a catalog. A cache folder that cannot be written is left alone."""
    _write(_file(key), _to_data(catalog))


def networks(key: str, find: Callable[[], Networks]) -> Networks:
    """Return the files of the extractors' networks: those in the cache, or what ``find`` returns.

    They are kept under the catalog's key and what the folder of trained networks holds.
    """
    held = [key]
    for path in sorted((cache_dir() / "extractors").glob("*")):
        about = path.stat()
        held.append(f"{path} {about.st_size} {about.st_mtime_ns}")
    file = _file(hashlib.sha256("\0".join(held).encode()).hexdigest())
    try:
        known = json.loads(file.read_text(encoding="utf-8"))["networks"]
        return {
            extractor: {dataset: list(map(Path, files)) for dataset, files in found.items()}
            for extractor, found in known.items()
        }
    except DAMAGED:
        found = find()
    plain = {e: {d: list(map(str, files)) for d, files in of.items()} for e, of in found.items()}
    _write(file, {"networks": plain})
    return found


def _file(key: str) -> Path:
    return cache_dir() / "catalog" / f"{FORMAT}-{key[:32]}.json"


def _write(file: Path, data: dict[str, Any]) -> None:
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_json(file, data)
        by_age = sorted(file.parent.glob("*.json"), key=lambda f: f.stat().st_mtime, reverse=True)
        for old in by_age[KEPT:]:
            old.unlink(missing_ok=True)
    except OSError:
        return  # it only saves time


def _to_data(catalog: Catalog) -> dict[str, Any]:
    plugins = [
        {**asdict(p), "file": None if p.file is None else str(p.file)} for p in catalog.plugins
    ]
    entries = [
        {**asdict(entry), "plugin": catalog.plugins.index(entry.plugin)}
        for entry in catalog.entries
    ]
    return {
        "plugins": plugins,
        "entries": entries,
        "sections": asdict(catalog.sections),
        "commands": catalog.commands,
    }


def _from_data(data: dict[str, Any]) -> Catalog:
    plugins = [
        Plugin(**{**plugin, "file": None if plugin["file"] is None else Path(plugin["file"])})
        for plugin in data["plugins"]
    ]
    return Catalog(
        plugins=plugins,
        entries=[
            Entry(**{**entry, "plugin": plugins[entry["plugin"]]}) for entry in data["entries"]
        ],
        sections=Sections(**data["sections"]),
        commands=data["commands"],
    )
