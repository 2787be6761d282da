"""The cache of prepared datasets: safetensors files that are verified whenever they are read."""

from __future__ import annotations

import json
import logging
import os
import tempfile
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from ganlab.data.prepared import Prepared, content_hash
from ganlab.files import cache_dir
from ganlab.step import DataSpec

log = logging.getLogger("ganlab")


def datasets_dir() -> Path:
    """Return the folder of the prepared datasets; `store` makes it."""
    return cache_dir() / "datasets"


def load(entry: Path) -> Prepared | None:
    """Return what was stored; None when there is nothing or, with a warning, when it is damaged."""
    if not entry.is_file():
        return None
    try:
        with safe_open(str(entry), framework="pt") as file:
            about = file.metadata()
            images, labels = file.get_tensor("images"), file.get_tensor("labels")
        names = tuple(json.loads(about["class_names"]))
        if content_hash(images, labels, names) != about["sha256"]:
            raise ValueError("its content has changed")
        spec = DataSpec(len(names), images.shape[2], images.shape[1], names)
        return Prepared(images, labels, spec, about["sha256"], about["source"])
    except (SafetensorError, OSError, ValueError, LookupError, TypeError) as error:
        log.warning("the cached dataset %s is damaged (%s): it is made again", entry, error)
        return None


def store(entry: Path, data: Prepared) -> None:
    """Keep a dataset, atomically. A cache that cannot be written costs a warning, not the run."""
    about = {
        "class_names": json.dumps(data.spec.class_names),
        "sha256": data.sha256,
        "source": data.source,
    }
    try:
        entry.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".writing-", dir=entry.parent) as folder:
            temporary = Path(folder) / entry.name
            save_file({"images": data.images, "labels": data.labels}, temporary, metadata=about)
            _sync(temporary)
            temporary.replace(entry)
        _sync(entry.parent)
    except (OSError, SafetensorError) as error:
        log.warning("%s is not cached in %s: %s", data.source, entry.parent, error)


def _sync(path: Path) -> None:
    """Have a file or a folder reach the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
