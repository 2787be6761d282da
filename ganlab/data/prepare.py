"""Prepare a dataset: read, select, resize and cache the images for training and scoring."""

from __future__ import annotations

import hashlib
import inspect
import json
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ganlab.components import Dataset, Split
from ganlab.data import cache
from ganlab.data.content import content_hash
from ganlab.data.pictures import resize_pictures
from ganlab.data.placement import available_bytes
from ganlab.data.resize import resize_array
from ganlab.data.select import select_images
from ganlab.data.validate import validate_images
from ganlab.data.writer import NotCached
from ganlab.errors import DataError
from ganlab.events import Tell, ignore, phase
from ganlab.files import cache_dir
from ganlab.types import DataSpec, Prepared

__all__ = ["Prepared", "data_root", "prepare"]

log = logging.getLogger("ganlab")

FORMAT = 1
"""Increase it when preparation changes, so that older cache entries are no longer used."""

NOT_IN_KEY = {"flip", "fallback", "fallback_images"}


def data_root(root: Path | None = None) -> Path:
    """Return the folder of the dataset files: ``root``, ``GANLAB_DATA``, or one in the cache."""
    return Path(root or os.environ.get("GANLAB_DATA") or cache_dir() / "data")


def prepare(
    dataset: Dataset,
    *,
    root: Path | None = None,
    split: Split = "train",
    tell: Tell = ignore,
) -> Prepared:
    """Return a split of the dataset, validated, selected and resized, from the cache if possible.

    The images are mapped from a file and never held in memory as a whole, unless the cache cannot
    be written. Raises `DataUnavailable` if the data is missing and cannot be downloaded, and
    `DataError` if it is invalid.
    """
    root = data_root(root)
    entry = _cache_file(dataset, root, split)
    if entry is None:
        return _prepare_in_memory(dataset, root, split, tell)
    found = cache.load(entry)
    if found is not None:
        return found
    try:
        with cache.locked(entry, source=dataset.name) as waited:
            found = cache.load(entry) if waited else None
            return found or _prepare_cached(dataset, root, split, entry, tell)
    except NotCached as error:
        log.warning("cannot cache %s in %s: %s", dataset.name, entry.parent, error)
        return _prepare_in_memory(dataset, root, split, tell)


@dataclass(frozen=True)
class Selection:
    """The selected images of a dataset, which are resized on iteration, and their labels."""

    parts: Iterator[Tensor]
    """(n, C, S, S) uint8 each. If C is 3 for any part, the result has 3 channels."""

    labels: Tensor
    """(N,) int64"""

    class_names: tuple[str, ...]

    most_bytes: int
    """Upper bound on the size of the resized images, in bytes."""


def _prepare_cached(
    dataset: Dataset, root: Path, split: Split, entry: Path, tell: Tell
) -> Prepared:
    """Read the dataset into the cache, a few images at a time."""
    selection = _select(dataset, root, split)
    return cache.store(
        entry,
        _parts(selection, dataset, tell),
        labels=selection.labels,
        class_names=selection.class_names,
        source=dataset.name,
        # If files changed while they were read, some may have been read incompletely: do not keep
        # the result.
        is_current=lambda: entry == _cache_file(dataset, root, split),
    )


def _prepare_in_memory(dataset: Dataset, root: Path, split: Split, tell: Tell) -> Prepared:
    """Read the dataset without a cache. Raises `DataError` if it does not fit into memory."""
    selection = _select(dataset, root, split)
    free = available_bytes()
    if selection.most_bytes > free:
        raise DataError(
            f"{dataset.name}: {selection.most_bytes / 1e9:.1f} GB of images do not fit into the "
            f"{free / 1e9:.1f} GB of free memory, and without a cache they cannot stay on the disk"
        )
    parts = list(_parts(selection, dataset, tell))
    channels = max(part.shape[1] for part in parts)
    images = torch.cat([part.expand(-1, channels, -1, -1) for part in parts])
    names = selection.class_names
    spec = DataSpec(len(names), dataset.image_size, channels, names)
    sha256 = content_hash(images, selection.labels, names)
    return Prepared(images, selection.labels, spec, sha256, dataset.name)


def _parts(selection: Selection, dataset: Dataset, tell: Tell) -> Iterator[Tensor]:
    """Yield the parts of a selection, and tell how many images are prepared."""
    total = len(selection.labels)
    with phase(tell, f"preparing {dataset.name}", total=total, unit="images") as preparing:
        for part in selection.parts:
            yield part
            preparing.advance(len(part))


def _select(dataset: Dataset, root: Path, split: Split) -> Selection:
    """Read the dataset, validate it, and select the images to use."""
    found = dataset.read(root, split)
    validate_images(found, f"{dataset.name} ({split})")
    indices, labels, class_names = select_images(dataset, found)
    size = dataset.image_size
    if isinstance(found.images, np.ndarray):
        channels = found.images.shape[3] if found.images.ndim == 4 else 1
        parts = resize_array(found.images, indices, size=size)
    else:
        channels = found.channels or 3
        total = len(found.labels)
        parts = resize_pictures(
            found.images, indices, total=total, size=size, channels=found.channels
        )
    most_bytes = len(labels) * channels * size * size
    return Selection(parts, torch.from_numpy(labels), class_names, most_bytes)


def _cache_file(dataset: Dataset, root: Path, split: Split) -> Path | None:
    """Return the cache file of this split; None if the class's source code cannot be found."""
    code = _code_hashes(type(dataset))
    if code is None:
        return None
    parts = {
        "format": FORMAT,
        "dataset": dataset.name,
        "options": dataset.model_dump(mode="json", exclude=NOT_IN_KEY),
        "split": split,
        "files": dataset.fingerprint(root, split),
        "code": code,
    }
    key = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
    return cache.datasets_dir() / f"{dataset.name}-{split}-{dataset.image_size}-{key}.safetensors"


def _code_hashes(kind: type[Dataset]) -> list[str] | None:
    """Return hashes of the source files of a dataset class, so that edits invalidate the cache."""
    own = kind.__mro__[: kind.__mro__.index(Dataset)]
    try:
        files = [Path(inspect.getfile(one)) for one in own]
        return [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
    except (TypeError, OSError):  # defined at a prompt or in a notebook
        return None
