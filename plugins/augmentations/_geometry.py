"""Moving the pixels of images, by plain indexing: unlike ``grid_sample``, it can be differentiated
twice, as a gradient penalty behind an augmentation needs, and is deterministic.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

SYM6 = (
    *(0.015404109327027373, 0.0034907120842174702, -0.11799011114819057, -0.048311742585633),
    *(0.4910559419267466, 0.787641141030194, 0.3379294217276218, -0.07263752278646252),
    *(-0.021060292512300564, 0.04472490177066578, 0.0017677118642428036, -0.007800708325034148),
)
"""The symlet of 6 vanishing moments: an orthogonal low-pass filter, so that sampling up by it and
down again is the identity."""

MARGIN = 3
"""Pixels that the filter reaches beyond an image."""


def blit(x: Tensor, *, mirror: Tensor, turns: Tensor, shift: Tensor) -> Tensor:
    """Mirror images (N, C, S, S) left to right, turn them, then move them: by copying pixels.

    ``mirror`` (N,) is 0 or 1, ``turns`` (N,) quarter turns against the clock, ``shift`` (N, 2)
    whole pixels to the right and down; what comes in at the border is mirrored.
    """
    last = x.shape[3] - 1
    steps = torch.arange(last + 1, device=x.device)
    row, column = (t.flatten()[None] for t in torch.meshgrid(steps, steps, indexing="ij"))
    mirror, turns, shift = mirror.long()[:, None], turns.long()[:, None], shift.long()
    # Back from where a pixel goes to where it comes from: (N, S * S).
    row, column = (_mirrored(t - shift[:, i, None], last) for t, i in ((row, 1), (column, 0)))
    for quarter in range(1, 4):
        turned = turns >= quarter
        row, column = torch.where(turned, column, row), torch.where(turned, last - row, column)
    column = torch.where(mirror > 0, last - column, column)
    return _take(x, row * (last + 1) + column, x.shape[2:])


class Warp(nn.Module):
    """Move images (N, C, S, S) by affine maps, without aliasing.

    ``inverse`` (N, 2, 3) gives, in pixels from the middle, x to the right and y down, the point
    that each point of the result shows. Beyond its border an image goes on as its mirror image.
    The image is sampled up to twice its size by `SYM6`, moved bilinearly, and sampled down.
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
        # An image that goes on as its mirror image repeats itself after 2 * (S - 1) pixels.
        column, row = source.remainder(4 * (self.size - 1)).unbind(1)
        moved = _bilinear(self.up @ x @ self.up.T, row, column, (side, side))
        return self.down @ moved @ self.down.T


def _up(size: int) -> Tensor:
    """The matrix (4 (S - 1) + 1, S) to pixels half as large, of an image and its mirror image.

    Pixel i becomes pixel 2 i; the last one is the first one again.
    """
    matrix = torch.zeros(4 * (size - 1) + 1, size)
    for k in range(len(matrix)):
        for j, tap in enumerate(SYM6):
            whole, half = divmod(k + 5 - j, 2)  # the sixth tap is the largest
            if not half:
                matrix[k, _mirrored(torch.tensor(whole), size - 1)] += tap
    return matrix


def _down(size: int) -> Tensor:
    """The matrix (S, 2 (S + 2 * MARGIN)) back to whole pixels, without the margin."""
    matrix = torch.zeros(size, 2 * (size + 2 * MARGIN))
    for i in range(size):
        matrix[i, 2 * i + 1 : 2 * i + 1 + len(SYM6)] = torch.tensor(SYM6)
    return matrix


def _bilinear(x: Tensor, row: Tensor, column: Tensor, shape: tuple[int, int]) -> Tensor:
    """Values between the pixels of ``x`` at rows and columns (N, P) within it."""
    width = x.shape[3]
    top = row.floor().clamp(0, x.shape[2] - 2)
    left = column.floor().clamp(0, width - 2)
    down, right = (row - top)[:, None], (column - left)[:, None]
    corner = (top * width + left).long()
    a, b, c, d = (_take(x, corner + step) for step in (0, 1, width, width + 1))
    upper, lower = a + (b - a) * right, c + (d - c) * right
    return (upper + (lower - upper) * down).unflatten(2, shape)


def _take(x: Tensor, index: Tensor, shape: tuple[int, ...] | None = None) -> Tensor:
    """Pixels (N, C, P) at flat indices (N, P), or (N, C, *shape)."""
    taken = x.flatten(2).gather(2, index[:, None].expand(-1, x.shape[1], -1))
    return taken if shape is None else taken.unflatten(2, shape)


def _mirrored(index: Tensor, last: int) -> Tensor:
    """Fold positions beyond 0 and ``last`` back, as often as it takes."""
    folded = index.remainder(2 * last)
    return torch.minimum(folded, 2 * last - folded)
