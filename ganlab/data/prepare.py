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
from ganlab.data.check import check
from ganlab.data.content import content_hash
from ganlab.data.pictures import square_pictures
from ganlab.data.placement import available_bytes
from ganlab.data.resize import square_array
from ganlab.data.select import select
from ganlab.data.writer import NotCached
from ganlab.errors import DataError
from ganlab.events import Tell, ignore, phase
from ganlab.files import cache_dir
from ganlab.types import DataSpec, Prepared

__all__ = ["Prepared", "data_root", "prepare"]

log = logging.getLogger("ganlab")

FORMAT = 1
"""Raise it when the same dataset would be prepared differently: older cache entries then rest."""

WITHOUT_EFFECT = {"flip", "fallback", "fallback_images"}


def data_root(root: Path | None = None) -> Path:
    """Return the folder with the datasets' files: ``root``, GANLAB_DATA, or one in the cache."""
    return Path(root or os.environ.get("GANLAB_DATA") or cache_dir() / "data")


def prepare(
    dataset: Dataset,
    *,
    root: Path | None = None,
    split: Split = "train",
    tell: Tell = ignore,
) -> Prepared:
    """Return a split of the dataset, selected, resized and checked, from the cache if it is there.

    The images lie on the disk, mapped, and are never in memory as a whole unless there is no cache.
    Raises `DataUnavailable` when the data cannot be had and `DataError` when it is broken.
    """
    root = data_root(root)
    entry = _entry(dataset, root, split)
    if entry is None:
        return _in_memory(dataset, root, split, tell)
    found = cache.load(entry)
    if found is not None:
        return found
    try:
        with cache.making(entry, source=dataset.name) as waited:
            found = cache.load(entry) if waited else None
            return found or _on_disk(dataset, root, split, entry, tell)
    except NotCached as error:
        log.warning("%s is not cached in %s: %s", dataset.name, entry.parent, error)
        return _in_memory(dataset, root, split, tell)


@dataclass(frozen=True)
class Chosen:
    """What is used of a dataset: images that are still to be resized, and all about them."""

    parts: Iterator[Tensor]
    """(n, C, S, S) uint8 each; C is 3 for all in the end if it is 3 for one of them."""

    labels: Tensor
    """(N,) int64"""

    class_names: tuple[str, ...]

    most_bytes: int
    """What the resized images take at most."""


def _on_disk(dataset: Dataset, root: Path, split: Split, entry: Path, tell: Tell) -> Prepared:
    """Read the dataset into the cache, a few images at a time."""
    chosen = _choose(dataset, root, split)
    return cache.store(
        entry,
        _told(chosen, dataset, tell),
        labels=chosen.labels,
        class_names=chosen.class_names,
        source=dataset.name,
        # Files that came or changed while they were read wait for the next time: had they been
        # read half-way, the entry would keep that for ever.
        still_true=lambda: entry == _entry(dataset, root, split),
    )


def _in_memory(dataset: Dataset, root: Path, split: Split, tell: Tell) -> Prepared:
    """Read the dataset where it cannot be cached. Raises `DataError` if it does not fit."""
    chosen = _choose(dataset, root, split)
    free = available_bytes()
    if chosen.most_bytes > free:
        raise DataError(
            f"{dataset.name}: {chosen.most_bytes / 1e9:.1f} GB of images do not fit into the "
            f"{free / 1e9:.1f} GB of free memory, and without a cache they cannot stay on the disk"
        )
    parts = list(_told(chosen, dataset, tell))
    channels = max(part.shape[1] for part in parts)
    images = torch.cat([part.expand(-1, channels, -1, -1) for part in parts])
    names = chosen.class_names
    spec = DataSpec(len(names), dataset.image_size, channels, names)
    sha256 = content_hash(images, chosen.labels, names)
    return Prepared(images, chosen.labels, spec, sha256, dataset.name)


def _told(chosen: Chosen, dataset: Dataset, tell: Tell) -> Iterator[Tensor]:
    """Yield the parts, and tell how many images are prepared."""
    total = len(chosen.labels)
    with phase(tell, f"preparing {dataset.name}", total=total, unit="images") as preparing:
        for part in chosen.parts:
            yield part
            preparing.advance(len(part))


def _choose(dataset: Dataset, root: Path, split: Split) -> Chosen:
    """Open the dataset, refuse what does not fit, and select."""
    found = dataset.read(root, split)
    check(found, f"{dataset.name} ({split})")
    indices, labels, class_names = select(dataset, found)
    size = dataset.image_size
    if isinstance(found.images, np.ndarray):
        channels = found.images.shape[3] if found.images.ndim == 4 else 1
        parts = square_array(found.images, indices, size=size)
    else:
        channels = found.channels or 3
        total = len(found.labels)
        parts = square_pictures(
            found.images, indices, total=total, size=size, channels=found.channels
        )
    most_bytes = len(labels) * channels * size * size
    return Chosen(parts, torch.from_numpy(labels), class_names, most_bytes)


def _entry(dataset: Dataset, root: Path, split: Split) -> Path | None:
    """Return the cache file of this split; None for a class whose code cannot be identified."""
    code = _code(type(dataset))
    if code is None:
        return None
    parts = {
        "format": FORMAT,
        "dataset": dataset.name,
        "options": dataset.model_dump(mode="json", exclude=WITHOUT_EFFECT),
        "split": split,
        "files": dataset.fingerprint(root, split),
        "code": code,
    }
    key = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
    return cache.datasets_dir() / f"{dataset.name}-{split}-{dataset.image_size}-{key}.safetensors"


def _code(kind: type[Dataset]) -> list[str] | None:
    """Return the hashes of the files that define a dataset: whoever edits one gets fresh images."""
    own = kind.__mro__[: kind.__mro__.index(Dataset)]
    try:
        files = [Path(inspect.getfile(one)) for one in own]
        return [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
    except (TypeError, OSError):  # typed at a prompt or in a notebook
        return None
