"""Datasets whose files torchvision knows by their MD5 sums and reads itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from ganlab import Dataset, Images
from ganlab.components import Split
from ganlab.errors import DataError, DataUnavailable

from ._download import download, unpack


class PinnedDataset(Dataset):
    """A dataset of torchvision's. A file is opened only if its MD5 sum is the published one.

    The content is therefore always the same, and the fingerprint empty: once it is in the cache,
    the files may go.
    """

    torchvision_name: ClassVar[str]
    """The class in `torchvision.datasets`."""

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
                    f"{damaged[0]} is damaged (its MD5 sum is not {sums[damaged[0]]}) and cannot "
                    "be replaced: delete it and repeat the command where the network can be reached"
                ) from error
        return self.load(kind, root, split)

    def _get(self, kind: Any, root: Path, split: Split) -> None:
        """Unpack the archive if it is there and whole, else download."""
        from torchvision.datasets.utils import check_integrity

        archive, md5, url = self.archive(kind, root, split)

        def get(folder: Path) -> None:
            self.open(kind, folder, split, download=True)

        if check_integrity(archive, md5):
            unpack(self.name, get, root=root, place=archive)
        else:
            download(self.name, get, urls=[url], root=root, place=archive)

    def sums(self, kind: Any, root: Path, split: Split) -> dict[Path, str]:
        """Return the files that must be there and their MD5 sums."""
        raise NotImplementedError

    def archive(self, kind: Any, root: Path, split: Split) -> tuple[Path, str, str]:
        """Return what is downloaded: its place, MD5 sum and address."""
        raise NotImplementedError

    def open(self, kind: Any, root: Path, split: Split, *, download: bool = False) -> Any:
        """Return torchvision's dataset."""
        raise NotImplementedError

    def load(self, kind: Any, root: Path, split: Split) -> Images:
        """Return the images of files that are known to be whole."""
        raise NotImplementedError
