"""Your own images, in one folder per class."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from ganlab import Dataset, Images, hookimpl
from ganlab.components import Split
from ganlab.data.files import fingerprint
from ganlab.errors import DataError, DataUnavailable, did_you_mean

from ._pictures import (
    EXTENSIONS,
    Pictures,
    class_folders,
    files_below,
    holds_classes,
    is_picture,
)

log = logging.getLogger("ganlab")


class Folder(Dataset):
    """Images of any size, ``<path>/<class>/**/<image>``, in PNG, JPEG, BMP, WebP, GIF or TIFF.

    If ``path`` has folders ``train`` and ``test`` that contain class folders, these are the splits.
    The shorter side is resized to ``image_size`` and the longer side is cropped at the centre.
    Transparent pixels become white. Hidden files are ignored.
    """

    name = "folder"

    path: Path
    """Path of the folder, relative to the working directory."""

    image_size: int = Field(default=64, ge=8)
    """Height and width of the images in pixels, after resizing."""

    channels: Literal["auto", 1, 3] = "auto"
    """Number of channels: 1 for grey, 3 for colour. ``auto``: 1 if every image is grey, else 3."""

    def read(self, root: Path, split: Split) -> Images:
        if not self.path.is_dir():
            raise DataUnavailable(
                f"folder: {self.path.absolute()} does not exist: correct dataset.path, or name a "
                "fallback in the experiment: `fallback: digits`"
            )
        place = self._place(split)
        if place is None:
            raise DataUnavailable(
                f"folder: {self.path} has no test split: no {self.path}/test/<class>/<image>"
            )
        names = class_folders(self._place("train") or self.path)
        self._check_classes(place, names)
        files: list[Path] = []
        labels: list[int] = []
        for label, name in enumerate(names):
            class_files = [file for file in files_below(place / name) if is_picture(file)]
            files += class_files
            labels += [label] * len(class_files)
        if not files:
            raise DataError(
                f"folder: there are no images {place}/<class>/<image>; supported extensions: "
                + ", ".join(sorted(EXTENSIONS))
            )
        self._mention_unused(set(files), split)
        channels = None if self.channels == "auto" else self.channels
        return Images(Pictures(files), np.array(labels), tuple(names), channels=channels)

    def fingerprint(self, root: Path, split: Split) -> str:
        place = self._place(split)
        if place is None or not place.is_dir():
            return "missing"
        names = "/".join(class_folders(self._place("train") or self.path))
        return names + fingerprint(filter(is_picture, files_below(place)), below=self.path)

    def _place(self, split: Split) -> Path | None:
        """Return the folder that contains the class folders of a split; None if there is none."""
        if holds_classes(self.path / split):
            return self.path / split
        return self.path if split == "train" else None

    def _check_classes(self, place: Path, names: list[str]) -> None:
        """Raise `DataError` if a split has a class that the training split does not have."""
        unknown = sorted(set(class_folders(place)) - set(names))
        if unknown:
            hint = did_you_mean(unknown[0], names)
            raise DataError(f"folder: {place / unknown[0]} is not a class of the train split{hint}")

    def _mention_unused(self, used: set[Path], split: Split) -> None:
        other = self.path / ("test" if split == "train" else "train")
        unused = [file for file in files_below(self.path) if file not in used]
        if holds_classes(other):
            unused = [file for file in unused if not file.is_relative_to(other)]
        if unused:
            log.warning(
                "%s: files not used in the %s split: %d, such as %s",
                self.path,
                split,
                len(unused),
                unused[0],
            )


@hookimpl
def register_datasets() -> list[type[Dataset]]:
    return [Folder]
