"""Image files in one folder per class."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import overload

from PIL import Image

from ganlab.errors import DataError

EXTENSIONS = {".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif", ".tif", ".tiff"}


class Pictures(Sequence[Image.Image]):
    """A sequence of image files. A file is opened on access; its pixels are decoded on use."""

    def __init__(self, files: list[Path]) -> None:
        self.files = files

    def __len__(self) -> int:
        return len(self.files)

    @overload
    def __getitem__(self, index: int) -> Image.Image: ...
    @overload
    def __getitem__(self, index: slice) -> Pictures: ...
    def __getitem__(self, index: int | slice) -> Image.Image | Pictures:
        if isinstance(index, slice):
            return Pictures(self.files[index])
        file = self.files[index]
        try:
            return Image.open(file)
        except Exception as error:  # Pillow's decoders raise many types of exceptions
            empty = file.is_file() and file.stat().st_size == 0
            raise DataError(f"{file} is {'empty' if empty else 'not a valid image'}") from error


def class_folders(place: Path) -> list[str]:
    """Return the sorted names of the subfolders of ``place``, without hidden ones."""
    return sorted(path.name for path in place.iterdir() if path.is_dir() and not _hidden(path.name))


def files_below(place: Path) -> Iterator[Path]:
    """Yield every file below ``place`` in a fixed order, without hidden files and folders."""
    seen = {os.path.realpath(parent) for parent in place.absolute().parents}
    for folder, folders, files in os.walk(place, followlinks=True):
        if os.path.realpath(folder) in seen:  # a symbolic link to a parent folder
            folders.clear()
            continue
        seen.add(os.path.realpath(folder))
        folders[:] = sorted(name for name in folders if not _hidden(name))
        for name in sorted(files):
            if not _hidden(name):
                yield Path(folder, name)


def is_picture(file: Path) -> bool:
    """Return True if the file name has the extension of an image."""
    return file.suffix.lower() in EXTENSIONS


def holds_classes(place: Path) -> bool:
    """Return True if ``place`` has images in subfolders and none directly in it."""
    if not place.is_dir() or any(is_picture(file) for file in place.iterdir()):
        return False
    return any(is_picture(file) for file in files_below(place))


def _hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"
