"""From a dataset component to the images and labels that training and scoring use."""

from __future__ import annotations

import hashlib
import inspect
import json
import os
from pathlib import Path

import numpy as np
import torch

from ganlab.components import Dataset, Images, Split
from ganlab.data import cache
from ganlab.data.check import check
from ganlab.data.pictures import square_pictures
from ganlab.data.prepared import Prepared, content_hash
from ganlab.data.resize import square_array
from ganlab.data.select import select
from ganlab.files import cache_dir
from ganlab.step import DataSpec

__all__ = ["Prepared", "data_root", "prepare"]

FORMAT = 1
"""Raise it when the same dataset would be prepared differently: older cache entries then rest."""

WITHOUT_EFFECT = {"flip", "fallback", "fallback_images"}


def data_root(root: Path | None = None) -> Path:
    """Return the folder with the datasets' files: ``root``, GANLAB_DATA, or one in the cache."""
    return Path(root or os.environ.get("GANLAB_DATA") or cache_dir() / "data")


def prepare(dataset: Dataset, *, root: Path | None = None, split: Split = "train") -> Prepared:
    """Return a split of the dataset, selected, resized and checked, from the cache if it is there.

    Raises `DataUnavailable` when the data cannot be had and `DataError` when it is broken.
    """
    root = data_root(root)
    entry = _entry(dataset, root, split)
    found = cache.load(entry) if entry else None
    if found is not None:
        return found
    prepared = _build(dataset, dataset.read(root, split), split)
    # Files that came or changed while they were read wait for the next time: had they been read
    # half-way, the entry would keep that for ever.
    if entry and entry == _entry(dataset, root, split):
        cache.store(entry, prepared)
    return prepared


def _build(dataset: Dataset, found: Images, split: Split) -> Prepared:
    check(found, f"{dataset.name} ({split})")
    indices, labels, class_names = select(dataset, found)
    if isinstance(found.images, np.ndarray):
        images = square_array(found.images, indices, size=dataset.image_size)
    else:
        images = square_pictures(
            found.images,
            indices,
            total=len(found.labels),
            size=dataset.image_size,
            channels=found.channels,
        )
    spec = DataSpec(len(class_names), dataset.image_size, images.shape[1], class_names)
    y = torch.from_numpy(labels)
    return Prepared(images, y, spec, content_hash(images, y, class_names), dataset.name)


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
