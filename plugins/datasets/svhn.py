"""SVHN: photographs of house numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ganlab import Dataset, Images, hookimpl
from ganlab.components import Split

from ._pinned import PinnedDataset


class Svhn(PinnedDataset):
    """Digits 0 to 9 of house numbers, colour, 32 x 32: 73,257 training, 26,032 test images."""

    name = "svhn"
    paper = (
        "Netzer et al. 2011: Reading digits in natural images with unsupervised feature learning"
    )
    torchvision_name = "SVHN"

    def sums(self, kind: Any, root: Path, split: Split) -> dict[Path, str]:
        _, file, md5 = kind.split_list[split]
        return {root / file: md5}

    def archive(self, kind: Any, root: Path, split: Split) -> tuple[Path, str, str]:
        url, file, md5 = kind.split_list[split]
        return root / file, md5, url

    def open(self, kind: Any, root: Path, split: Split, *, download: bool = False) -> Any:
        return kind(root, split=split, download=download)

    def load(self, kind: Any, root: Path, split: Split) -> Images:
        data = self.open(kind, root, split)
        titles = tuple(str(digit) for digit in range(10))
        return Images(data.data.transpose(0, 2, 3, 1), data.labels, titles)


@hookimpl
def register_datasets() -> list[type[Dataset]]:
    return [Svhn]
