"""The cache of prepared datasets: safetensors files whose hash is checked at every read."""

from __future__ import annotations

import json
import logging
import shutil
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock
from safetensors import SafetensorError, safe_open
from torch import Tensor, from_numpy

from ganlab.data.content import content_hash
from ganlab.data.memory_mapped import map_file
from ganlab.data.writer import Writer, raises_not_cached
from ganlab.files import cache_dir, flush_folder
from ganlab.types import DataSpec, Prepared

log = logging.getLogger("ganlab")


def datasets_dir() -> Path:
    """Return the folder of the prepared datasets; `locked` creates it."""
    return cache_dir() / "datasets"


def load(entry: Path) -> Prepared | None:
    """Return a cached dataset, or None if it is missing or damaged. Warn if it is damaged.

    The images are memory-mapped, so they are read when they are used.
    """
    if not entry.is_file():
        return None
    try:
        with safe_open(str(entry), framework="np") as file:  # "pt" reserves memory for all tensors
            metadata = file.metadata()
            labels = from_numpy(file.get_tensor("labels"))
            shape = file.get_slice("images").get_shape()
        with entry.open("rb") as opened:
            images = map_file(opened.fileno(), offset=_start_of_images(opened.read), shape=shape)
        names = tuple(json.loads(metadata["class_names"]))
        if content_hash(images, labels, names) != metadata["sha256"]:
            raise ValueError("its content has changed")
        spec = DataSpec(len(names), images.shape[2], images.shape[1], names)
        return Prepared(images, labels, spec, metadata["sha256"], metadata["source"])
    except (SafetensorError, OSError, ValueError, LookupError, TypeError) as error:
        log.warning("the cached dataset %s is damaged (%s); preparing it again", entry, error)
        return None


@contextmanager
def locked(entry: Path, *, source: str) -> Iterator[bool]:
    """Hold the entry's lock. Yield True if another process held it first.

    Raises `NotCached` if the cache cannot be written.
    """
    waited = False
    with raises_not_cached():
        entry.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        locks = cache_dir() / "locks"
        locks.mkdir(mode=0o700, exist_ok=True)
        lock = filelock.FileLock(locks / f"{entry.name}.lock")
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            log.warning("another process is preparing %s; waiting for it", source)
            waited = True
            lock.acquire()
    try:
        yield waited
    finally:
        lock.release()


def store(
    entry: Path,
    parts: Iterable[Tensor],
    *,
    labels: Tensor,
    class_names: tuple[str, ...],
    source: str,
    is_current: Callable[[], bool],
) -> Prepared:
    """Write parts of images, (n, C, S, S) uint8 each, and return the memory-mapped dataset.

    The file becomes a cache entry only if ``is_current()`` is true at the end. Otherwise it is
    deleted as soon as the returned images are no longer used. Raises `NotCached` if the cache
    cannot be written.
    """
    folder = entry.with_name(f".writing-{entry.name}")
    try:
        with raises_not_cached():
            shutil.rmtree(folder, ignore_errors=True)  # of a process that was killed
            folder.mkdir(mode=0o700)
            file = (folder / entry.name).open("w+b", buffering=0)
        with file:
            writer = Writer(file, labels=labels, class_names=class_names, source=source)
            for part in parts:
                writer.add(part)
            prepared = writer.finish()
        if is_current():
            with raises_not_cached():
                (folder / entry.name).replace(entry)
                flush_folder(entry.parent)
        return prepared
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _start_of_images(read: Callable[[int], bytes]) -> int:
    """Return the offset in bytes of the images in a safetensors file."""
    length: int = struct.unpack("<Q", read(8))[0]
    start: int = json.loads(read(length))["images"]["data_offsets"][0]
    return 8 + length + start
