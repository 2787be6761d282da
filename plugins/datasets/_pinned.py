"""Datasets that torchvision reads and whose files it identifies by MD5 checksums."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from ganlab import Dataset, Images
from ganlab.components import Split
from ganlab.errors import DataError, DataUnavailable

from ._download import download, unpack


class PinnedDataset(Dataset):
    """A torchvision dataset. A file is opened only if it has the published MD5 checksum.

    The content is therefore always the same, and the fingerprint is empty. The files may be deleted
    once the dataset is in the cache.
    """

    torchvision_name: ClassVar[str]
    """Name of the class in `torchvision.datasets`."""

    def read(self, root: Path, split: Split) -> Images:
        from torchvision import datasets
        from torchvision.datasets.utils import check_integrity

        kind = getattr(datasets, self.torchvision_name)
        sums = self.sums(kind, root, split)
        damaged = [
            path for path in sums if path.is_file() and not check_integrity(path, sums[path])
        ]
        if damaged or not all(path.is_file() for path in sums):
            try:
                self._get(kind, root, split)
            except DataUnavailable as error:
                if not damaged:
                    raise
                raise DataError(
                    f"{damaged[0]} is damaged (its MD5 checksum is not {sums[damaged[0]]}) and "
                    "could not be downloaded again: delete it and repeat the command with network "
                    "access"
                ) from error
        return self.load(kind, root, split)

    def _get(self, kind: Any, root: Path, split: Split) -> None:
        """Unpack the archive if it exists and is intact; otherwise download it."""
        from torchvision.datasets.utils import check_integrity

        archive, md5, url = self.archive(kind, root, split)

        def get(folder: Path) -> None:
            self.open(kind, folder, split, download=True)

        if check_integrity(archive, md5):
            unpack(self.name, get, root=root, place=archive)
        else:
            download(self.name, get, urls=[url], root=root, place=archive)

    def sums(self, kind: Any, root: Path, split: Split) -> dict[Path, str]:
        """Return the required files and their MD5 checksums."""
        raise NotImplementedError

    def archive(self, kind: Any, root: Path, split: Split) -> tuple[Path, str, str]:
        """Return the path, the MD5 checksum and the URL of the download."""
        raise NotImplementedError

    def open(self, kind: Any, root: Path, split: Split, *, download: bool = False) -> Any:
        """Return torchvision's dataset object for a split, optionally downloading the files."""
        raise NotImplementedError

    def load(self, kind: Any, root: Path, split: Split) -> Images:
        """Return the images of a split. Its files have the correct checksums."""
        raise NotImplementedError
