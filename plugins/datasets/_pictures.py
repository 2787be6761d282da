"""Picture files in a folder for each class."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import overload

from PIL import Image

from ganlab.errors import DataError

ENDINGS = {".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif", ".tif", ".tiff"}


class Pictures(Sequence[Image.Image]):
    """Picture files, each opened when it is asked for and decoded by who asked."""

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
        except Exception as error:  # Pillow's decoders raise whatever they stumble upon
            empty = file.is_file() and file.stat().st_size == 0
            raise DataError(f"{file} {'is empty' if empty else 'is no picture'}") from error


def class_folders(place: Path) -> list[str]:
    """Return the names of the folders in a folder, sorted, hidden ones apart."""
    return sorted(one.name for one in place.iterdir() if one.is_dir() and not _hidden(one.name))


def files_below(place: Path) -> Iterator[Path]:
    """Yield every file below a folder in a fixed order, hidden ones apart."""
    seen = {os.path.realpath(parent) for parent in place.absolute().parents}
    for folder, folders, files in os.walk(place, followlinks=True):
        if os.path.realpath(folder) in seen:  # a link that leads back
            folders.clear()
            continue
        seen.add(os.path.realpath(folder))
        folders[:] = sorted(name for name in folders if not _hidden(name))
        for name in sorted(files):
            if not _hidden(name):
                yield Path(folder, name)


def is_picture(file: Path) -> bool:
    """Return whether a file's name ends like a picture's."""
    return file.suffix.lower() in ENDINGS


def holds_classes(place: Path) -> bool:
    """Return whether pictures lie in a folder's folders, and none in it directly."""
    if not place.is_dir() or any(is_picture(file) for file in place.iterdir()):
        return False
    return any(is_picture(file) for file in files_below(place))


def _hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"
