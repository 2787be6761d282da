"""Images in one NumPy file."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from pydantic import Field

from ganlab import Dataset, Images, hookimpl
from ganlab.components import Split
from ganlab.data.files import fingerprint
from ganlab.errors import DataError, DataUnavailable, did_you_mean


class Npz(Dataset):
    """Images and labels from an ``.npz`` file; ``test_images`` and ``test_labels`` if it has them.

    Images are uint8: (N, H, W), (N, H, W, C) or (N, C, H, W) with 1 or 3 channels. Where both of
    the latter fit, the last axis counts as the channels. Labels are (N,) integers from 0; an array
    ``class_names`` of strings names them.
    """

    name = "npz"

    path: Path
    """The file, relative to the working directory."""

    images_key: str = Field(default="images", min_length=1)
    """The name of the array with the images; the test split's has ``test_`` before it."""

    labels_key: str = Field(default="labels", min_length=1)
    """The name of the array with the labels; the test split's has ``test_`` before it."""

    def read(self, root: Path, split: Split) -> Images:
        if not self.path.is_file():
            raise DataUnavailable(
                f"npz: there is no file {self.path.absolute()}: correct dataset.path, or name a "
                "fallback in the experiment: `fallback: digits`"
            )
        try:
            # Opened here, because np.load leaves a damaged file open.
            with self.path.open("rb") as opened:
                file = np.load(opened, allow_pickle=False)
                if not isinstance(file, np.lib.npyio.NpzFile):
                    raise DataError(f"{self.path} holds a single array; save it with np.savez")
                return self._from(file, split)
        except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            pickled = "it is no .npz file, or holds Python objects instead of numbers"
            reason = pickled if "allow_pickle" in str(error) else " ".join(str(error).split())
            raise DataError(f"{self.path} cannot be read as an .npz file: {reason}") from error

    def fingerprint(self, root: Path, split: Split) -> str:
        return fingerprint([self.path], below=self.path.parent)

    def _from(self, file: Mapping[str, np.ndarray], split: Split) -> Images:
        if split == "test" and f"test_{self.images_key}" not in file:
            raise DataUnavailable(
                f"npz: {self.path} has no test split, which is 'test_{self.images_key}' and "
                f"'test_{self.labels_key}'"
            )
        prefix = "test_" if split == "test" else ""
        images = self._array(file, prefix + self.images_key)
        labels = self._array(file, prefix + self.labels_key)
        if labels.ndim == 2 and labels.shape[1] == 1:
            labels = labels[:, 0]
        return Images(_channels_last(images), labels, self._names(file))

    def _names(self, file: Mapping[str, np.ndarray]) -> tuple[str, ...]:
        """Return the class names: the file's own, else the numbers of the training labels."""
        if "class_names" in file:
            return tuple(str(name) for name in file["class_names"])
        labels = self._array(file, self.labels_key)
        if labels.size == 0 or not np.issubdtype(labels.dtype, np.integer):
            return ("0", "1")  # the check of labels, which follows, refuses these
        highest = int(labels.max())
        if highest >= len(labels):
            raise DataError(
                f"{self.path}: '{self.labels_key}' must count the classes from 0 without a gap; "
                f"found {highest} among {len(labels)} labels"
            )
        return tuple(str(number) for number in range(highest + 1))

    def _array(self, file: Mapping[str, np.ndarray], key: str) -> np.ndarray:
        if key not in file:
            raise DataError(f"{self.path} has no array '{key}'{did_you_mean(key, list(file))}")
        return file[key]


def _channels_last(images: np.ndarray) -> np.ndarray:
    if images.ndim == 4 and images.shape[3] not in (1, 3) and images.shape[1] in (1, 3):
        return images.transpose(0, 2, 3, 1)
    return images


@hookimpl
def register_datasets() -> list[type[Dataset]]:
    return [Npz]
