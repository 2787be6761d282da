"""The random flip and shift that consistency regularization applies to images."""

from __future__ import annotations

import torch
from torch import Tensor

from ganlab import Step


def flip_and_shift(x: Tensor, step: Step, *, flip: bool, shift: float) -> Tensor:
    """Return images (N, C, H, W), each flipped with probability 1/2 and shifted by whole pixels.

    ``flip`` enables the horizontal flip. ``shift`` is the maximum shift as a fraction of height and
    width. Pixels beyond the border are filled by reflection.
    """
    n, _, height, width = x.shape
    rows, columns = (torch.arange(size, device=x.device) for size in (height, width))
    if flip:
        mirrored = step.rand(n, 1) < 0.5
        columns = torch.where(mirrored, columns.flip(0), columns)
    rows = _reflected(rows + _offsets(step, n, shift, height), height)
    columns = _reflected(columns + _offsets(step, n, shift, width), width)
    x = x.gather(2, rows[:, None, :, None].expand_as(x))
    return x.gather(3, columns[:, None, None, :].expand_as(x))


def _offsets(step: Step, n: int, shift: float, size: int) -> Tensor:
    """Return uniform random integers (n, 1) from -maximum to maximum, in pixels."""
    maximum = round(shift * size)
    return (step.rand(n, 1) * (2 * maximum + 1)).floor().long() - maximum


def _reflected(index: Tensor, size: int) -> Tensor:
    """Return indices in [0, size): those outside are reflected at the first or last pixel."""
    index = index.abs()
    return torch.where(index >= size, 2 * (size - 1) - index, index)
