"""Pictures of one's own: a folder for each class."""

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
    ENDINGS,
    Pictures,
    class_folders,
    files_below,
    holds_classes,
    is_picture,
)

log = logging.getLogger("ganlab")


class Folder(Dataset):
    """Pictures of any size, ``<path>/<class>/**/<picture>``, in PNG, JPEG, BMP, WebP, GIF or TIFF.

    Folders ``train`` and ``test`` in ``path`` are its splits if they hold such class folders.
    The shorter side is resized to ``image_size`` and the middle of the longer one kept.
    Transparency becomes white. Hidden files are passed over.
    """

    name = "folder"

    path: Path
    """The folder, relative to the working directory."""

    image_size: int = Field(default=64, ge=8)
    """Height and width that the networks see."""

    channels: Literal["auto", 1, 3] = "auto"
    """1 for grey, 3 for colour; ``auto`` is 1 if every picture is grey."""

    def read(self, root: Path, split: Split) -> Images:
        if not self.path.is_dir():
            raise DataUnavailable(
                f"folder: there is no folder {self.path.absolute()}: correct dataset.path, or name "
                "a fallback in the experiment: `fallback: digits`"
            )
        place = self._place(split)
        if place is None:
            raise DataUnavailable(
                f"folder: {self.path} has no test split: no {self.path}/test/<class>/<picture>"
            )
        names = class_folders(self._place("train") or self.path)
        self._check_classes(place, names)
        files: list[Path] = []
        labels: list[int] = []
        for label, name in enumerate(names):
            own = [file for file in files_below(place / name) if is_picture(file)]
            files += own
            labels += [label] * len(own)
        if not files:
            raise DataError(
                f"folder: there is no {place}/<class>/<picture>; a picture's name ends in "
                + ", ".join(sorted(ENDINGS))
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
        """Return the folder with the class folders of a split; None for a test split without."""
        if holds_classes(self.path / split):
            return self.path / split
        return self.path if split == "train" else None

    def _check_classes(self, place: Path, names: list[str]) -> None:
        """Refuse a test split with classes of its own: its labels would mean something else."""
        unknown = sorted(set(class_folders(place)) - set(names))
        if unknown:
            hint = did_you_mean(unknown[0], names)
            raise DataError(f"folder: {place / unknown[0]} has no counterpart for training{hint}")

    def _mention_unused(self, used: set[Path], split: Split) -> None:
        other = self.path / ("test" if split == "train" else "train")
        unused = [file for file in files_below(self.path) if file not in used]
        if holds_classes(other):
            unused = [file for file in unused if not file.is_relative_to(other)]
        if unused:
            log.warning(
                "%s: files left out of the %s split: %d, such as %s",
                self.path,
                split,
                len(unused),
                unused[0],
            )


@hookimpl
def register_datasets() -> list[type[Dataset]]:
    return [Folder]
