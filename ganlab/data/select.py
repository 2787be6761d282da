"""Select the images that an experiment uses, and number their classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ganlab.components import Dataset, Images
from ganlab.errors import DataError, did_you_mean

MAX_LISTED_NAMES = 20


def select_images(
    dataset: Dataset, found: Images
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Apply the options ``classes`` and ``limit``; return indices, labels and class names.

    Indices (N,) int64 are ascending. Labels (N,) int64 count from 0 in the order of ``classes``.
    """
    chosen = _selected_labels(dataset, found.class_names)
    members = [np.flatnonzero(found.labels == label) for label in chosen]
    for label, own in zip(chosen, members, strict=True):
        if len(own) == 0:
            raise DataError(
                f"{dataset.name}: no image of class '{found.class_names[label]}'; remove the class "
                "from the data, or list the ones to use in dataset.classes"
            )
    if dataset.limit is not None:
        quotas = _quotas([len(own) for own in members], dataset.limit, dataset.name)
        members = [
            _random_subset(own, quota, label)
            for own, quota, label in zip(members, quotas, chosen, strict=True)
        ]
    indices = np.concatenate(members)
    labels = np.repeat(np.arange(len(chosen)), [len(own) for own in members])
    order = np.argsort(indices)
    return indices[order], labels[order], tuple(found.class_names[label] for label in chosen)


def _selected_labels(dataset: Dataset, names: tuple[str, ...]) -> list[int]:
    """Return the labels selected by the option ``classes``; all labels by default."""
    if dataset.classes is None:
        return list(range(len(names)))
    chosen = [_label(dataset.name, wanted, names) for wanted in dataset.classes]
    for label in chosen:
        if chosen.count(label) > 1:
            raise DataError(f"{dataset.name}: `classes` names '{names[label]}' twice")
    return chosen


def _label(dataset: str, wanted: int | str, names: tuple[str, ...]) -> int:
    # Names have priority over numbers: with folders named 3 and 7, `classes: [3, 7]` means those.
    if str(wanted) in names:
        return names.index(str(wanted))
    if isinstance(wanted, int) and 0 <= wanted < len(names):
        return wanted
    # Without a close match, the hint would be the list of names, which follows anyway.
    hint = did_you_mean(str(wanted), names)
    hint = hint if hint.startswith("; did") else ";"
    raise DataError(
        f"{dataset}: there is no class '{wanted}'{hint} "
        f"allowed: 0 to {len(names) - 1}, or {_format_names(names)}"
    )


def _format_names(names: Sequence[str]) -> str:
    more = len(names) - MAX_LISTED_NAMES
    return ", ".join(names[:MAX_LISTED_NAMES]) + (f" and {more} more" if more > 0 else "")


def _quotas(sizes: list[int], limit: int, name: str) -> list[int]:
    """Return the number of images per class: equal shares of ``limit``.

    If a class has fewer images than its share, the other classes get the difference.
    """
    if limit < len(sizes):
        raise DataError(
            f"{name}: `limit: {limit}` is less than one image for each of the {len(sizes)} classes"
        )
    quotas = [0] * len(sizes)
    left = min(limit, sum(sizes))
    while left:
        open_classes = [i for i, size in enumerate(sizes) if quotas[i] < size]
        share = max(1, left // len(open_classes))
        for i in open_classes:
            given = min(share, sizes[i] - quotas[i], left)
            quotas[i] += given
            left -= given
    return quotas


def _random_subset(own: np.ndarray, quota: int, label: int) -> np.ndarray:
    """Return ``quota`` random indices of a class, because files are often sorted."""
    # Unlike newer generators, RandomState gives the same numbers in every NumPy version.
    return own[np.random.RandomState(label).permutation(len(own))[:quota]]
