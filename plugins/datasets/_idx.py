"""Datasets in MNIST's four idx files, where torchvision keeps them: ``<root>/<folder>/raw/``."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import ClassVar

import numpy as np

from ganlab import Dataset, Images
from ganlab.components import Split
from ganlab.data.files import fingerprint
from ganlab.errors import DataError

from ._download import download

FILES: dict[Split, tuple[str, str]] = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}


class IdxDataset(Dataset):
    """Grey 28 x 28 images in idx files, plain or .gz. torchvision is used to download them only.

    Reading them here needs no torchvision, only the split that is asked for, and names a broken
    file.
    """

    torchvision_name: ClassVar[str]
    """The class in `torchvision.datasets`, and the folder below the root."""

    titles: ClassVar[tuple[str, ...]]
    """A name for each class."""

    def read(self, root: Path, split: Split) -> Images:
        folder = root / self.torchvision_name / "raw"
        if not all(_found(folder / name).is_file() for name in FILES[split]):
            self._download(root, folder)
        images, labels = (_found(folder / name) for name in FILES[split])
        return Images(read_idx(images, axes=3), read_idx(labels, axes=1), self.titles)

    def fingerprint(self, root: Path, split: Split) -> str:
        folder = root / self.torchvision_name / "raw"
        return fingerprint([_found(folder / name) for name in FILES[split]], below=folder)

    def _download(self, root: Path, folder: Path) -> None:
        from torchvision import datasets

        kind = getattr(datasets, self.torchvision_name)
        first = kind.resources[0][0]
        download(
            self.name,
            lambda there: kind(there, download=True),
            urls=[mirror + first for mirror in kind.mirrors],
            root=root,
            place=folder,
        )


def read_idx(path: Path, *, axes: int) -> np.ndarray:
    """Return the uint8 array of an idx file, or raise `DataError`, naming the file."""
    try:
        data = path.read_bytes()
        data = gzip.decompress(data) if path.suffix == ".gz" else data
    except (OSError, EOFError, zlib.error) as error:
        raise _damaged(path, str(error)) from error
    start = 4 + 4 * axes
    if len(data) < start or data[:4] != bytes((0, 0, 8, axes)):
        raise _damaged(path, f"no idx file of {axes} axes begins like this")
    shape = struct.unpack(f">{axes}I", data[4:start])
    expected = start + math.prod(shape)
    if len(data) != expected:
        raise _damaged(path, f"{len(data):,} bytes where {expected:,} belong")
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)


def _found(path: Path) -> Path:
    """Return the file, or its .gz if only that is there."""
    packed = path.with_name(f"{path.name}.gz")
    return packed if packed.is_file() and not path.is_file() else path


def _damaged(path: Path, why: str) -> DataError:
    return DataError(f"{path} cannot be read: {why}; delete it to have it downloaded again")
