"""The residual block of generators, and the options that set the number of channels."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from pydantic import PositiveInt
from torch import Tensor, nn
from torch.nn.functional import interpolate

from ganlab import Generator

from .._layers import Init


class ResidualGenerator(Generator):
    """The common options of the residual generators for ImageNet and CIFAR-10."""

    width: PositiveInt | None = None
    """Number of channels at the full image size. null: 64 with ``doubling``, else 256."""

    doubling: bool | None = None
    """Double the channels at each halving of the size, up to 16 times ``width``. false: the same
    number of channels in all blocks. null: true for images of 64 x 64 and larger."""

    def widths(self, image_size: int) -> list[int]:
        """Return the number of channels at 4 x 4, 8 x 8, ... up to the image size."""
        doubling = image_size >= 64 if self.doubling is None else self.doubling
        width = self.width or (64 if doubling else 256)
        steps = reversed(range(int(math.log2(image_size)) - 1))
        return [width * min(2**step, 16) if doubling else width for step in steps]


class UpBlock(nn.Module):
    """(h (N, before, H, W), the styles of two norm sites) -> (N, after, 2H, 2W).

    Norm, ReLU, upsampling, 3 x 3 convolution, norm, ReLU, 3 x 3 convolution. The shortcut has a
    1 x 1 convolution and upsampling (Miyato et al., 2018, arXiv:1802.05957, figure 8; Miyato &
    Koyama, 2018, arXiv:1802.05637).
    """

    def __init__(
        self,
        before: int,
        after: int,
        norm: Callable[[int], nn.Module],
        init: Init,
        *,
        gain: float = 1.0,
    ) -> None:
        super().__init__()
        self.norm1 = norm(before)
        self.conv1 = init(nn.Conv2d(before, after, 3, padding=1), gain=gain)
        self.norm2 = norm(after)
        self.conv2 = init(nn.Conv2d(after, after, 3, padding=1), gain=gain)
        self.shortcut = init(nn.Conv2d(before, after, 1))

    def forward(self, h: Tensor, style1: Tensor, style2: Tensor) -> Tensor:
        inner = self.conv1(upsampled(torch.relu(self.norm1(h, style1))))
        inner = self.conv2(torch.relu(self.norm2(inner, style2)))
        # The papers upsample before the 1 x 1 convolution. The result is the same, but slower.
        return inner + upsampled(self.shortcut(h))


def upsampled(h: Tensor) -> Tensor:
    """Upsample by two with nearest neighbours: (N, C, H, W) -> (N, C, 2H, 2W)."""
    return interpolate(h, scale_factor=2.0)
