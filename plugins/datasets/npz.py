"""Images and labels in one NumPy file."""

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
    """Images and labels from the arrays ``images`` and ``labels`` of an ``.npz`` file.

    The optional arrays ``test_images`` and ``test_labels`` are the test split. Images are uint8
    (N, H, W), (N, H, W, C) or (N, C, H, W) with 1 or 3 channels; if both of the latter are
    possible, the last axis is taken as the channels. Labels are (N,) integers from 0. An optional
    array ``class_names`` of strings names the classes.
    """

    name = "npz"

    path: Path
    """Path of the file, relative to the working directory."""

    images_key: str = Field(default="images", min_length=1)
    """Name of the array of images. For the test split, ``test_`` is prepended."""

    labels_key: str = Field(default="labels", min_length=1)
    """Name of the array of labels. For the test split, ``test_`` is prepended."""

    def read(self, root: Path, split: Split) -> Images:
        if not self.path.is_file():
            raise DataUnavailable(
                f"npz: {self.path.absolute()} does not exist: correct dataset.path, or name a "
                "fallback in the experiment: `fallback: digits`"
            )
        try:
            # np.load would leave a damaged file open.
            with self.path.open("rb") as opened:
                file = np.load(opened, allow_pickle=False)
                if not isinstance(file, np.lib.npyio.NpzFile):
                    raise DataError(f"{self.path} contains a single array; save it with np.savez")
                return self._from(file, split)
        except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            pickled = "it is not an .npz file, or it contains Python objects instead of numbers"
            reason = pickled if "allow_pickle" in str(error) else " ".join(str(error).split())
            raise DataError(f"{self.path} cannot be read as an .npz file: {reason}") from error

    def fingerprint(self, root: Path, split: Split) -> str:
        return fingerprint([self.path], below=self.path.parent)

    def _from(self, file: Mapping[str, np.ndarray], split: Split) -> Images:
        if split == "test" and f"test_{self.images_key}" not in file:
            raise DataUnavailable(
                f"npz: {self.path} has no test split: no arrays 'test_{self.images_key}' and "
                f"'test_{self.labels_key}'"
            )
        prefix = "test_" if split == "test" else ""
        images = self._array(file, prefix + self.images_key)
        labels = self._array(file, prefix + self.labels_key)
        if labels.ndim == 2 and labels.shape[1] == 1:
            labels = labels[:, 0]
        return Images(_channels_last(images), labels, self._names(file))

    def _names(self, file: Mapping[str, np.ndarray]) -> tuple[str, ...]:
        """Return the class names in the file, or the numbers from 0 to the largest label."""
        if "class_names" in file:
            return tuple(str(name) for name in file["class_names"])
        labels = self._array(file, self.labels_key)
        if labels.size == 0 or not np.issubdtype(labels.dtype, np.integer):
            return ("0", "1")  # the core's validation of labels will reject them
        highest = int(labels.max())
        if highest >= len(labels):
            raise DataError(
                f"{self.path}: '{self.labels_key}' must number the classes from 0 without gaps; "
                f"found label {highest} in {len(labels)} labels"
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
