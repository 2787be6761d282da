"""Checks of datasets."""

from __future__ import annotations

from collections.abc import Sized
from pathlib import Path

import numpy as np

from ganlab.components import Dataset, Images, Split
from ganlab.data.prepare import data_root
from ganlab.data.validate import validate_images
from ganlab.errors import DataUnavailable
from ganlab.testing.report import Findings

SPLITS: tuple[Split, Split] = ("train", "test")


def check_dataset(found: Findings, dataset: Dataset) -> None:
    """Read both splits twice from the data folder, and validate them."""
    root = data_root()
    names: list[tuple[str, ...]] = []
    with found.group("images") as group:
        for split in SPLITS:
            where = f"read('{split}')"
            try:
                images = dataset.read(root, split)
            except DataUnavailable as error:
                group.note = f"skipped, {' '.join(str(error).split())}"
                group.skipped = True
                return
            with found.guarded(where):
                validate_images(images, dataset.name)
                names.append(tuple(images.class_names))
                count = len(images.images) if isinstance(images.images, Sized) else "some"
                group.note += f"{', ' if group.note else ''}{count} to {split}"
                _check_again(found, dataset, images, root, split)
        same = len(set(names)) < 2
        found.expect(same, "read()", "the same class names in both splits", f"{names}")
    with found.group("fingerprint", "text, the same if the files are"):
        for split in SPLITS:
            prints = [dataset.fingerprint(root, split) for _ in range(2)]
            text = isinstance(prints[0], str)
            found.expect(text, "fingerprint()", "text", type(prints[0]).__name__)
            found.expect(prints[0] == prints[1], "fingerprint()", "the same twice", f"{prints}")


def _check_again(
    found: Findings, dataset: Dataset, images: Images, root: Path, split: Split
) -> None:
    again = dataset.read(root, split)
    same = np.array_equal(images.labels, again.labels)
    if isinstance(images.images, np.ndarray) and isinstance(again.images, np.ndarray):
        same &= np.array_equal(images.images, again.images)
    found.expect(same, f"read('{split}')", "the same images when read again", "others")
