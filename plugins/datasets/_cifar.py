"""What CIFAR-10 and CIFAR-100 have in common: an archive with one folder of pickles."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from ganlab import Images
from ganlab.components import Split

from ._pinned import PinnedDataset


class Cifar(PinnedDataset):
    """Colour images of 32 x 32 from ``<root>/cifar-*/``."""

    def sums(self, kind: Any, root: Path, split: Split) -> dict[Path, str]:
        files = [*kind.train_list, *kind.test_list, (kind.meta["filename"], kind.meta["md5"])]
        return {root / kind.base_folder / file: md5 for file, md5 in files}

    def archive(self, kind: Any, root: Path, split: Split) -> tuple[Path, str, str]:
        return root / kind.filename, kind.tgz_md5, kind.url

    def open(self, kind: Any, root: Path, split: Split, *, download: bool = False) -> Any:
        with warnings.catch_warnings():
            # The pickles are of NumPy's early days; what newer versions say of them is no news.
            warnings.simplefilter("ignore")
            return kind(root, train=split == "train", download=download)

    def load(self, kind: Any, root: Path, split: Split) -> Images:
        data = self.open(kind, root, split)
        names = tuple(name.replace("_", " ") for name in data.classes)
        return Images(data.data, np.asarray(data.targets), names)
