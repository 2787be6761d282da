"""Writing files so that a crash leaves either the old one or the new one."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any


def cache_dir() -> Path:
    """Return ganlab's cache folder, made if that is possible, for its owner only.

    It is GANLAB_CACHE, else ``ganlab`` in XDG_CACHE_HOME or in ``~/.cache``.
    """
    own, shared = os.environ.get("GANLAB_CACHE"), os.environ.get("XDG_CACHE_HOME")
    folder = Path(own) if own else Path(shared or Path.home() / ".cache") / "ganlab"
    with contextlib.suppress(OSError):  # whoever writes there says so
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def write_atomically(path: Path, data: bytes) -> None:
    """Write beside the target, flush to the disk, rename over it.

    Raises `OSError` and leaves the target as it was when the disk is full or read-only.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    flush_folder(path.parent)


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON, atomically."""
    write_atomically(path, (json.dumps(value, indent=2) + "\n").encode())


def append_line(path: Path, record: dict[str, Any]) -> None:
    """Append one JSON line; a line that a kill cut short stays a line of its own."""
    with path.open("a+b") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            cut_short = file.read(1) != b"\n"
            if cut_short:
                file.write(b"\n")
        file.write(json.dumps(record).encode() + b"\n")


def flush_folder(folder: Path) -> None:
    """Have what was renamed in a folder reach the disk."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
