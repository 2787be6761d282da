"""The change of an image to which consistency regularization makes D blind."""

from __future__ import annotations

import torch
from torch import Tensor

from ganlab import Step


def flip_and_shift(x: Tensor, step: Step, *, flip: bool, shift: float) -> Tensor:
    """Return images (N, C, H, W) mirrored half of the time and moved by whole pixels.

    ``shift`` is the longest way as a share of the size; what comes in at the border is mirrored.
    """
    n, _, height, width = x.shape
    rows, columns = (torch.arange(size, device=x.device) for size in (height, width))
    if flip:
        mirrored = step.rand(n, 1) < 0.5
        columns = torch.where(mirrored, columns.flip(0), columns)
    rows = _reflected(rows + _way(step, n, shift, height), height)
    columns = _reflected(columns + _way(step, n, shift, width), width)
    x = x.gather(2, rows[:, None, :, None].expand_as(x))
    return x.gather(3, columns[:, None, None, :].expand_as(x))


def _way(step: Step, n: int, shift: float, size: int) -> Tensor:
    """Whole pixels (n, 1), all equally likely from -longest to longest."""
    longest = round(shift * size)
    return (step.rand(n, 1) * (2 * longest + 1)).floor().long() - longest


def _reflected(index: Tensor, size: int) -> Tensor:
    """Indices outside, mirrored at the first and the last pixel."""
    index = index.abs()
    return torch.where(index >= size, 2 * (size - 1) - index, index)
