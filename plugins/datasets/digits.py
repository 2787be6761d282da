"""The digits that scikit-learn brings along: they work where nothing can be downloaded."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ganlab import Dataset, Images, hookimpl
from ganlab.components import Split

TEST_SHARE = 297 / 1797


class Digits(Dataset):
    """Handwritten digits 0 to 9, grey, 8 x 8: 1,500 for training and 297 for tests.

    scikit-learn has no splits. The test split is the same share of every class, drawn at random
    once and for all.
    """

    name = "digits"
    paper = "Alpaydin, Kaynak 1998: Optical recognition of handwritten digits, UCI repository"

    def read(self, root: Path, split: Split) -> Images:
        from sklearn.datasets import load_digits

        found = load_digits()
        images = np.rint(found.images * (255 / 16)).astype(np.uint8)  # (1797, 8, 8), were 0 to 16
        test = np.zeros(len(images), dtype=bool)
        for digit in range(10):
            own = np.flatnonzero(found.target == digit)
            # RandomState promises the same numbers in every NumPy version.
            order = np.random.RandomState(digit).permutation(len(own))
            test[own[order[: round(len(own) * TEST_SHARE)]]] = True
        chosen = test if split == "test" else ~test
        titles = tuple(str(digit) for digit in range(10))
        return Images(images[chosen], found.target[chosen], titles)


@hookimpl
def register_datasets() -> list[type[Dataset]]:
    return [Digits]
