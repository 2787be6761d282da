"""Datasets in the idx format of MNIST, in torchvision's folder ``<root>/<name>/raw/``."""

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
    """Grey images of 28 x 28 pixels in idx files, uncompressed or .gz.

    torchvision is used only to download the files. They are read here, so that reading one split
    needs neither torchvision nor the other split, and so that an error names the damaged file.
    """

    torchvision_name: ClassVar[str]
    """Name of the class in `torchvision.datasets` and of the folder in the data root."""

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
    """Return the uint8 array with ``axes`` dimensions in an idx file.

    Raises `DataError`, which names the file, if the file is damaged.
    """
    try:
        data = path.read_bytes()
        data = gzip.decompress(data) if path.suffix == ".gz" else data
    except (OSError, EOFError, zlib.error) as error:
        raise _damaged(path, str(error)) from error
    start = 4 + 4 * axes
    if len(data) < start or data[:4] != bytes((0, 0, 8, axes)):
        raise _damaged(path, f"it has no header of an idx file with {axes} dimensions")
    shape = struct.unpack(f">{axes}I", data[4:start])
    expected = start + math.prod(shape)
    if len(data) != expected:
        raise _damaged(path, f"it has {len(data):,} bytes instead of {expected:,}")
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)


def _found(path: Path) -> Path:
    """Return ``path``, or the path with .gz if only that file exists."""
    compressed = path.with_name(f"{path.name}.gz")
    return compressed if compressed.is_file() and not path.is_file() else path


def _damaged(path: Path, reason: str) -> DataError:
    return DataError(f"{path} cannot be read: {reason}; delete it to download it again")
