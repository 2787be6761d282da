"""The common base class of CIFAR-10 and CIFAR-100: an archive with a folder of pickle files."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from ganlab import Images
from ganlab.components import Split

from ._pinned import PinnedDataset


class Cifar(PinnedDataset):
    """Colour images of 32 x 32 pixels from ``<root>/cifar-*/``."""

    def sums(self, kind: Any, root: Path, split: Split) -> dict[Path, str]:
        files = [*kind.train_list, *kind.test_list, (kind.meta["filename"], kind.meta["md5"])]
        return {root / kind.base_folder / file: md5 for file, md5 in files}

    def archive(self, kind: Any, root: Path, split: Split) -> tuple[Path, str, str]:
        return root / kind.filename, kind.tgz_md5, kind.url

    def open(self, kind: Any, root: Path, split: Split, *, download: bool = False) -> Any:
        with warnings.catch_warnings():
            # New NumPy versions warn about the old format of these pickle files.
            warnings.simplefilter("ignore")
            return kind(root, train=split == "train", download=download)

    def load(self, kind: Any, root: Path, split: Split) -> Images:
        data = self.open(kind, root, split)
        names = tuple(name.replace("_", " ") for name in data.classes)
        return Images(data.data, np.asarray(data.targets), names)
