"""The handwritten digits that come with scikit-learn and need no download."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ganlab import Dataset, Images, hookimpl
from ganlab.components import Split

TEST_FRACTION = 297 / 1797


class Digits(Dataset):
    """Handwritten digits 0 to 9, grey, 8 x 8: 1,500 training, 297 test images.

    scikit-learn defines no splits. The test split is a fixed random sample with the same fraction
    of every class.
    """

    name = "digits"
    paper = "Alpaydin, Kaynak 1998: Optical recognition of handwritten digits, UCI repository"

    def read(self, root: Path, split: Split) -> Images:
        from sklearn.datasets import load_digits

        found = load_digits()
        images = np.rint(found.images * (255 / 16)).astype(np.uint8)  # (1797, 8, 8), from 0..16
        test = np.zeros(len(images), dtype=bool)
        for digit in range(10):
            members = np.flatnonzero(found.target == digit)
            # RandomState guarantees the same numbers in every NumPy version.
            order = np.random.RandomState(digit).permutation(len(members))
            test[members[order[: round(len(members) * TEST_FRACTION)]]] = True
        chosen = test if split == "test" else ~test
        titles = tuple(str(digit) for digit in range(10))
        return Images(images[chosen], found.target[chosen], titles)


@hookimpl
def register_datasets() -> list[type[Dataset]]:
    return [Digits]
