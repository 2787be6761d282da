"""Decode pictures of any size and mode and resize them to one square size."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import Literal

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from ganlab.data.resize import images_per_chunk, resize_to_square
from ganlab.errors import DataError

CHUNK = 128
"""Number of pictures that are open at a time. Systems allow at least 256 open files."""

CHUNK_PIXELS = 2**25
"""About how many pixels the open pictures may have together: 96 MiB of RGB."""

GREY_MODES = {"1", "L", "LA", "La", "I"}


def resize_pictures(
    pictures: Sequence[Image.Image] | Iterator[Image.Image],
    indices: np.ndarray,
    *,
    total: int,
    size: int,
    channels: Literal[1, 3] | None,
) -> Iterator[Tensor]:
    """Yield the pictures at ``indices`` in chunks, (n, C, size, size) uint8.

    ``indices`` (N,) are ascending; ``total`` is the number of all pictures. C is ``channels``, or
    if that is None, 1 for a chunk of grey pictures and 3 for any other. Pictures are decoded in
    several threads.
    """
    chosen = _selected(pictures, indices, total)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        while arrays := _decode_next(chosen, pool, channels):
            yield _resize_arrays(arrays, size)


def decode_picture(picture: Image.Image, *, channels: Literal[1, 3] | None = None) -> np.ndarray:
    """Return a picture as an array (H, W, 1 or 3) uint8.

    EXIF rotation is applied, and transparent pixels are put on white. Without ``channels``, a grey
    picture has 1 channel and any other picture 3; a palette picture is grey if all its pixels are.
    Raises `DataError`, which names the file.
    """
    file = getattr(picture, "filename", None)
    name = str(file) if file else "a picture"
    try:
        plain = _to_grey_or_rgb(picture)
        if channels is not None:
            plain = plain.convert("L" if channels == 1 else "RGB")
        array = np.asarray(plain)
    except DataError as error:
        raise DataError(f"{name} {error}") from None
    except Exception as error:  # Pillow's decoders raise exceptions of any type
        raise DataError(f"{name} cannot be decoded: {_one_line(error)}") from error
    finally:
        _close(picture)
    return array[..., None] if array.ndim == 2 else array


def _decode_next(
    pictures: Iterator[Image.Image], pool: ThreadPoolExecutor, channels: Literal[1, 3] | None
) -> list[np.ndarray]:
    """Return the next chunk of pictures as arrays (H, W, 1 or 3); an empty list at the end."""
    opened: list[Image.Image] = []
    pixels_open = 0
    try:
        for picture in islice(pictures, CHUNK):
            opened.append(picture)
            pixels_open += math.prod(picture.size)
            if pixels_open >= CHUNK_PIXELS:
                break
        return list(pool.map(partial(decode_picture, channels=channels), opened))
    except BaseException:
        for picture in opened:  # those that no thread has decoded yet
            _close(picture)
        raise


def _close(picture: Image.Image) -> None:
    """Close a picture's file. A picture without a file is left open: closing loses its pixels."""
    if getattr(picture, "filename", None):
        picture.close()


def _to_grey_or_rgb(picture: Image.Image) -> Image.Image:
    """Return the picture in mode L or RGB."""
    picture.load()
    picture = ImageOps.exif_transpose(picture)
    mode = picture.mode
    if mode == "F":
        raise DataError(
            "has floating-point pixels (mode F), whose range is unknown: save it as 8 bit"
        )
    if mode == "I" or mode.startswith("I;16"):
        return _from_16_bit(picture)
    grey = mode in GREY_MODES
    if "transparency" in picture.info or mode in ("LA", "La", "PA", "RGBA", "RGBa"):
        picture = _on_white(picture)
    if mode in ("P", "PA"):
        picture = picture.convert("RGB")
        red, green, blue = (np.asarray(band) for band in picture.split())
        grey = np.array_equal(red, green) and np.array_equal(green, blue)
    return picture.convert("L" if grey else "RGB")


def _from_16_bit(picture: Image.Image) -> Image.Image:
    values = np.asarray(picture).astype(np.int64)
    if values.min() < 0 or values.max() > 65535:
        raise DataError("has pixels outside 0 to 65535: save it as 8 or 16 bit")
    return Image.fromarray(((values * 255 + 32767) // 65535).astype(np.uint8))


def _on_white(picture: Image.Image) -> Image.Image:
    if picture.mode == "La":
        picture = picture.convert("LA")
    picture = picture.convert("RGBA")
    white = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(white, picture).convert("RGB")


def _selected(
    pictures: Sequence[Image.Image] | Iterator[Image.Image], indices: np.ndarray, total: int
) -> Iterator[Image.Image]:
    if isinstance(pictures, Sequence):
        yield from (pictures[int(index)] for index in indices)
        return
    wanted = np.zeros(total, dtype=bool)
    wanted[indices] = True
    count = 0
    for picture in pictures:
        if count < total and wanted[count]:
            yield picture
        count += 1
    if count != total:
        raise DataError(f"there are {count} pictures but {total} labels")


def _resize_arrays(arrays: list[np.ndarray], size: int) -> Tensor:
    """Return arrays (H, W, 1 or 3) as one tensor (n, C, size, size) uint8.

    Arrays of the same shape are resized together.
    """
    by_shape: dict[tuple[int, int, int], list[int]] = {}
    for place, array in enumerate(arrays):
        by_shape.setdefault(array.shape, []).append(place)
    channels = max(array.shape[2] for array in arrays)
    out = torch.empty(len(arrays), channels, size, size, dtype=torch.uint8)
    for (height, width, depth), places in by_shape.items():
        chunk = images_per_chunk(height, width, depth, size=size)
        for start in range(0, len(places), chunk):
            some = places[start : start + chunk]
            stack = torch.from_numpy(np.stack([arrays[place] for place in some]))
            out[some] = resize_to_square(stack.permute(0, 3, 1, 2), size=size).expand(
                -1, channels, -1, -1
            )
    return out


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
