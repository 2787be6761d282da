"""Geometric transforms of images, implemented by indexing.

Unlike ``grid_sample``, indexing is deterministic and supports a double backward, which a gradient
penalty through an augmentation requires.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

SYM6 = (
    *(0.015404109327027373, 0.0034907120842174702, -0.11799011114819057, -0.048311742585633),
    *(0.4910559419267466, 0.787641141030194, 0.3379294217276218, -0.07263752278646252),
    *(-0.021060292512300564, 0.04472490177066578, 0.0017677118642428036, -0.007800708325034148),
)
"""The low-pass filter of the symlet wavelet with 6 vanishing moments. It is orthogonal, so that
upsampling followed by downsampling is the identity."""

MARGIN = 3
"""Width of the border, in pixels, that the filter needs around an image."""


def blit(x: Tensor, *, mirror: Tensor, turns: Tensor, shift: Tensor) -> Tensor:
    """Flip images (N, C, S, S) horizontally, rotate them, then shift them, without interpolation.

    ``mirror`` (N,) is 0 or 1. ``turns`` (N,) counts counterclockwise rotations by 90 degrees.
    ``shift`` (N, 2) is in whole pixels, to the right and down. Pixels beyond the border are filled
    by reflection.
    """
    last = x.shape[3] - 1
    steps = torch.arange(last + 1, device=x.device)
    row, column = (t.flatten()[None] for t in torch.meshgrid(steps, steps, indexing="ij"))
    mirror, turns, shift = mirror.long()[:, None], turns.long()[:, None], shift.long()
    # The source position of each output pixel: (N, S * S).
    row, column = (_mirrored(t - shift[:, i, None], last) for t, i in ((row, 1), (column, 0)))
    for quarter in range(1, 4):
        turned = turns >= quarter
        row, column = torch.where(turned, column, row), torch.where(turned, last - row, column)
    column = torch.where(mirror > 0, last - column, column)
    return _take(x, row * (last + 1) + column, x.shape[2:])


class Warp(nn.Module):
    """Apply affine transforms to images (N, C, S, S), without aliasing.

    ``inverse`` (N, 2, 3) maps each point of the result to its source point. Coordinates are in
    pixels from the image centre, x to the right and y down. Pixels beyond the border are filled by
    reflection. The image is upsampled by two with `SYM6`, resampled bilinearly and downsampled.
    """

    up: Tensor
    down: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        self.register_buffer("up", _up(size), persistent=False)
        self.register_buffer("down", _down(size), persistent=False)

    def forward(self, x: Tensor, inverse: Tensor) -> Tensor:
        middle, side = (self.size - 1) / 2, 2 * (self.size + 2 * MARGIN)
        steps = torch.arange(side, device=x.device, dtype=x.dtype)
        steps = steps / 2 - MARGIN - middle  # half pixels, with a margin for the filter
        down, right = torch.meshgrid(steps, steps, indexing="ij")
        points = torch.stack([right.flatten(), down.flatten(), torch.ones_like(right).flatten()])
        source = 2 * (inverse @ points + middle)  # (N, 2, side * side), in half pixels
        # An image extended by reflection has a period of 2 * (S - 1) pixels.
        column, row = source.remainder(4 * (self.size - 1)).unbind(1)
        moved = _bilinear(self.up @ x @ self.up.T, row, column, (side, side))
        return self.down @ moved @ self.down.T


def _up(size: int) -> Tensor:
    """Return the matrix (4 (S - 1) + 1, S) that upsamples an image and its reflection by two.

    Input pixel i becomes output pixel 2 i. The last output pixel repeats the first one.
    """
    matrix = torch.zeros(4 * (size - 1) + 1, size)
    for k in range(len(matrix)):
        for j, tap in enumerate(SYM6):
            pixel, remainder = divmod(k + 5 - j, 2)  # the sixth tap is the largest
            if not remainder:
                matrix[k, _mirrored(torch.tensor(pixel), size - 1)] += tap
    return matrix


def _down(size: int) -> Tensor:
    """Return the matrix (S, 2 (S + 2 * MARGIN)) that downsamples by two and crops the border."""
    matrix = torch.zeros(size, 2 * (size + 2 * MARGIN))
    for i in range(size):
        matrix[i, 2 * i + 1 : 2 * i + 1 + len(SYM6)] = torch.tensor(SYM6)
    return matrix


def _bilinear(x: Tensor, row: Tensor, column: Tensor, shape: tuple[int, int]) -> Tensor:
    """Interpolate ``x`` (N, C, H, W) at rows and columns (N, P); return (N, C, *shape)."""
    width = x.shape[3]
    top = row.floor().clamp(0, x.shape[2] - 2)
    left = column.floor().clamp(0, width - 2)
    down, right = (row - top)[:, None], (column - left)[:, None]
    corner = (top * width + left).long()
    a, b, c, d = (_take(x, corner + step) for step in (0, 1, width, width + 1))
    upper, lower = a + (b - a) * right, c + (d - c) * right
    return (upper + (lower - upper) * down).unflatten(2, shape)


def _take(x: Tensor, index: Tensor, shape: tuple[int, ...] | None = None) -> Tensor:
    """Return the pixels of ``x`` at flat indices (N, P): (N, C, P), or (N, C, *shape)."""
    taken = x.flatten(2).gather(2, index[:, None].expand(-1, x.shape[1], -1))
    return taken if shape is None else taken.unflatten(2, shape)


def _mirrored(index: Tensor, last: int) -> Tensor:
    """Reflect positions at 0 and ``last``, repeatedly, into [0, last]."""
    folded = index.remainder(2 * last)
    return torch.minimum(folded, 2 * last - folded)
