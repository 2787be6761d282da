"""Check that the images and labels that a dataset returns can train a conditional GAN."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sized

import numpy as np

from ganlab.components import Images
from ganlab.errors import DataError, PluginError


def validate_images(found: Images, name: str) -> None:
    """Raise `DataError` if images, labels and class names are invalid or do not match."""
    if not isinstance(found, Images):
        kind = type(found).__name__
        raise PluginError(f"dataset {name}: read() must return ganlab.Images, got {kind}")
    if isinstance(found.images, np.ndarray):
        _check_array(found.images, name)
    _check_names(found.class_names, name)
    _check_labels(found, name)


def _check_array(images: np.ndarray, name: str) -> None:
    if images.dtype != np.uint8:
        raise DataError(f"{name}: images must be uint8, from 0 to 255; these are {images.dtype}")
    if not (images.ndim == 3 or (images.ndim == 4 and images.shape[3] in (1, 3))):
        raise DataError(
            f"{name}: images must be (N, H, W) or (N, H, W, C) with 1 or 3 channels; "
            f"these are {images.shape}"
        )
    if 0 in images.shape[1:]:
        raise DataError(f"{name}: the images are empty: {images.shape}")


def _check_names(names: tuple[str, ...], name: str) -> None:
    twice = [one for one, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(f"{name}: two classes are called '{twice[0]}'")
    if len(names) < 2:
        only = f": '{names[0]}'" if names else ""
        raise DataError(
            f"{name}: a conditional GAN needs at least 2 classes; found {len(names)}{only}; "
            "in a folder of pictures each class is a subfolder: <path>/<class>/<picture>.png"
        )


def _check_labels(found: Images, name: str) -> None:
    labels, classes = found.labels, len(found.class_names)
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise DataError(
            f"{name}: labels must be (N,) integers; these are {labels.shape} {labels.dtype}"
        )
    count = len(found.images) if isinstance(found.images, Sized) else len(labels)
    if count != len(labels):
        raise DataError(f"{name}: {count} images but {len(labels)} labels")
    if count == 0:
        raise DataError(f"{name}: there are no images")
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= classes:
        raise DataError(
            f"{name}: {classes} classes have the labels 0 to {classes - 1}; "
            f"found {low if low < 0 else high}"
        )
