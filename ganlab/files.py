"""Write files so that a crash leaves either the old content or the new content."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any


def cache_dir() -> Path:
    """Return ganlab's cache folder, and create it (mode 0700) if possible.

    It is ``GANLAB_CACHE`` if that is set, else ``ganlab`` in ``XDG_CACHE_HOME`` or ``~/.cache``.
    """
    own, shared = os.environ.get("GANLAB_CACHE"), os.environ.get("XDG_CACHE_HOME")
    folder = Path(own) if own else Path(shared or Path.home() / ".cache") / "ganlab"
    with contextlib.suppress(OSError):  # the code that writes there reports the error
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def write_atomically(path: Path, data: bytes) -> None:
    """Write to a temporary file in the same folder, flush it to disk, and rename it to ``path``.

    Raises `OSError`, with ``path`` unchanged, if the disk is full or read-only.
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
    """Append one JSON line, on a new line even if a crash left the last one incomplete."""
    with path.open("a+b") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            cut_short = file.read(1) != b"\n"
            if cut_short:
                file.write(b"\n")
        file.write(json.dumps(record).encode() + b"\n")


def flush_folder(folder: Path) -> None:
    """Flush a folder's entries to disk, so that a rename in it survives a crash."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
