"""Bring images to one square size, once, with antialiasing."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

CHUNK_ELEMENTS = 2**24
"""How many pixels are float at a time: 64 MiB."""


def square(images: Tensor, *, size: int) -> Tensor:
    """Return (N, C, H, W) uint8 as (N, C, size, size) uint8, bilinear and antialiased.

    The shorter side is resized, the middle of the longer one is kept. Images that have the size
    stay as they are.
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


def square_array(images: np.ndarray, indices: np.ndarray, *, size: int) -> Tensor:
    """Return the chosen images (N, C, size, size) of an array uint8 (M, H, W) or (M, H, W, C)."""
    if images.ndim == 3:
        images = images[..., None]
    height, width, channels = images.shape[1:]
    largest = max(height * width, size * size * max(height, width) // min(height, width))
    chunk = max(1, CHUNK_ELEMENTS // (largest * channels))
    out = torch.empty(len(indices), channels, size, size, dtype=torch.uint8)
    for start in range(0, len(indices), chunk):
        part = torch.from_numpy(images[indices[start : start + chunk]])
        out[start : start + chunk] = square(part.permute(0, 3, 1, 2), size=size)
    return out
