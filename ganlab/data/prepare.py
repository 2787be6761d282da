"""From a dataset component to the images and labels that training and scoring use."""

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
from ganlab.files import cache_dir
from ganlab.types import DataSpec, Prepared

__all__ = ["Prepared", "data_root", "prepare"]

log = logging.getLogger("ganlab")

FORMAT = 1
"""Raise it when the same dataset would be prepared differently: older cache entries then rest."""

NOT_IN_KEY = {"flip", "fallback", "fallback_images"}


def data_root(root: Path | None = None) -> Path:
    """Return the folder with the datasets' files: ``root``, GANLAB_DATA, or one in the cache."""
    return Path(root or os.environ.get("GANLAB_DATA") or cache_dir() / "data")


def prepare(dataset: Dataset, *, root: Path | None = None, split: Split = "train") -> Prepared:
    """Return a split of the dataset, selected, resized and checked, from the cache if it is there.

    The images lie on the disk, mapped, and are never in memory as a whole unless there is no cache.
    Raises `DataUnavailable` when the data cannot be had and `DataError` when it is broken.
    """
    root = data_root(root)
    entry = _cache_file(dataset, root, split)
    if entry is None:
        return _prepare_in_memory(dataset, root, split)
    found = cache.load(entry)
    if found is not None:
        return found
    try:
        with cache.locked(entry, source=dataset.name) as waited:
            found = cache.load(entry) if waited else None
            return found or _prepare_cached(dataset, root, split, entry)
    except NotCached as error:
        log.warning("%s is not cached in %s: %s", dataset.name, entry.parent, error)
        return _prepare_in_memory(dataset, root, split)


@dataclass(frozen=True)
class Selection:
    """What is used of a dataset: images that are still to be resized, and all about them."""

    parts: Iterator[Tensor]
    """(n, C, S, S) uint8 each; C is 3 for all in the end if it is 3 for one of them."""

    labels: Tensor
    """(N,) int64"""

    class_names: tuple[str, ...]

    most_bytes: int
    """What the resized images take at most."""


def _prepare_cached(dataset: Dataset, root: Path, split: Split, entry: Path) -> Prepared:
    """Read the dataset into the cache, a few images at a time."""
    selection = _select(dataset, root, split)
    return cache.store(
        entry,
        selection.parts,
        labels=selection.labels,
        class_names=selection.class_names,
        source=dataset.name,
        # Files that came or changed while they were read wait for the next time: had they been
        # read half-way, the entry would keep that for ever.
        is_current=lambda: entry == _cache_file(dataset, root, split),
    )


def _prepare_in_memory(dataset: Dataset, root: Path, split: Split) -> Prepared:
    """Read the dataset where it cannot be cached. Raises `DataError` if it does not fit."""
    selection = _select(dataset, root, split)
    free = available_bytes()
    if selection.most_bytes > free:
        raise DataError(
            f"{dataset.name}: {selection.most_bytes / 1e9:.1f} GB of images do not fit into the "
            f"{free / 1e9:.1f} GB of free memory, and without a cache they cannot stay on the disk"
        )
    parts = list(selection.parts)
    channels = max(part.shape[1] for part in parts)
    images = torch.cat([part.expand(-1, channels, -1, -1) for part in parts])
    names = selection.class_names
    spec = DataSpec(len(names), dataset.image_size, channels, names)
    sha256 = content_hash(images, selection.labels, names)
    return Prepared(images, selection.labels, spec, sha256, dataset.name)


def _select(dataset: Dataset, root: Path, split: Split) -> Selection:
    """Open the dataset, refuse what does not fit, and select."""
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
    """Return the cache file of this split; None for a class whose code cannot be identified."""
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
    """Return the hashes of the files that define a dataset: whoever edits one gets fresh images."""
    own = kind.__mro__[: kind.__mro__.index(Dataset)]
    try:
        files = [Path(inspect.getfile(one)) for one in own]
        return [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
    except (TypeError, OSError):  # typed at a prompt or in a notebook
        return None
