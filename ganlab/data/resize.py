"""Resize images to one square size with antialiasing."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

CHUNK_ELEMENTS = 2**24
"""Number of values that are converted to float at a time: 64 MiB."""


def resize_to_square(images: Tensor, *, size: int) -> Tensor:
    """Return (N, C, H, W) uint8 as (N, C, size, size) uint8, bilinear and antialiased.

    The shorter side is resized to ``size``, and the longer side is cropped to its center. Images of
    the right size are returned unchanged.
    """
    height, width = images.shape[2:]
    if height == width == size:
        return images
    scale = size / min(height, width)
    new = [max(size, round(height * scale)), max(size, round(width * scale))]
    x = functional.interpolate(images.float(), size=new, mode="bilinear", antialias=True)
    top, left = (new[0] - size) // 2, (new[1] - size) // 2
    x = x[:, :, top : top + size, left : left + size]
    return x.round().clamp_(0, 255).to(torch.uint8)


def resize_array(images: np.ndarray, indices: np.ndarray, *, size: int) -> Iterator[Tensor]:
    """Yield the images at ``indices`` of an array in chunks, (n, C, size, size) uint8.

    The array is uint8, (M, H, W) or (M, H, W, C). It may be larger than the memory if it is
    memory-mapped (`numpy.load` with ``mmap_mode="r"``).
    """
    if images.ndim == 3:
        images = images[..., None]
    chunk = images_per_chunk(*images.shape[1:], size=size)
    for start in range(0, len(indices), chunk):
        part = torch.from_numpy(images[indices[start : start + chunk]])
        yield resize_to_square(part.permute(0, 3, 1, 2), size=size)


def images_per_chunk(height: int, width: int, channels: int, *, size: int) -> int:
    """Return the number of images to resize at a time."""
    largest = max(height * width, size * size * max(height, width) // min(height, width))
    return max(1, CHUNK_ELEMENTS // (largest * channels))
