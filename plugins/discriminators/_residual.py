"""The residual block of discriminators, and the options that set the number of channels."""

from __future__ import annotations

import math

import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from ganlab import Discriminator

from .._layers import Init


class ResidualDiscriminator(Discriminator):
    """The common options of the residual discriminators for ImageNet and CIFAR-10."""

    width: PositiveInt | None = None
    """Number of channels after the first block. null: 64 with ``doubling``, else 128."""

    doubling: bool | None = None
    """Double the channels at each halving of the size, up to 16 times ``width``. false: the same
    number of channels in all blocks. null: true for images of 64 x 64 and larger."""

    def stages(self, image_size: int) -> list[tuple[int, bool]]:
        """Return the output channels of each block and whether it halves the size.

        Without doubling, blocks halve the size down to 8 x 8, and two more blocks follow. With
        doubling, blocks halve the size down to 4 x 4, and one more block follows. It halves the
        size again if it doubles the channels again, as in the authors' network for 64 x 64.
        """
        doubling = image_size >= 64 if self.doubling is None else self.doubling
        if not doubling:
            return [(self.width or 128, i < 0) for i in range(3 - int(math.log2(image_size)), 2)]
        multiples = [min(2**i, 16) for i in range(int(math.log2(image_size)) - 1)]
        halves = [True] * (len(multiples) - 1) + [multiples[-1] > multiples[-2]]
        return [((self.width or 64) * m, half) for m, half in zip(multiples, halves, strict=True)]


class DownBlock(nn.Module):
    """h (N, before, H, W) -> (N, after, H/2, W/2) if ``halve``, else (N, after, H, W).

    ReLU, 3 x 3 convolution to ``hidden`` channels, ReLU, 3 x 3 convolution, average pooling. The
    shortcut has a 1 x 1 convolution and average pooling; it is the identity if neither the channels
    nor the size change. The ``first`` block receives an image and starts without ReLU (Miyato et
    al., 2018, arXiv:1802.05957, figure 8 and tables 4 to 6; Gulrajani et al., 2017,
    arXiv:1704.00028).
    """

    def __init__(
        self,
        before: int,
        after: int,
        init: Init,
        *,
        hidden: int,
        halve: bool = True,
        first: bool = False,
        gain: float = 1.0,
    ) -> None:
        super().__init__()
        self.start = nn.Identity() if first else nn.ReLU()
        self.conv1 = init(nn.Conv2d(before, hidden, 3, padding=1), gain=gain)
        self.conv2 = init(nn.Conv2d(hidden, after, 3, padding=1), gain=gain)
        self.pool = nn.AvgPool2d(2) if halve else nn.Identity()
        same = before == after and not halve
        self.shortcut = nn.Identity() if same else init(nn.Conv2d(before, after, 1))

    def forward(self, h: Tensor) -> Tensor:
        inner = self.conv2(torch.relu(self.conv1(self.start(h))))
        # Some papers pool after the 1 x 1 convolution. The result is the same, but slower.
        return self.pool(inner) + self.shortcut(self.pool(h))


def summed(h: Tensor) -> Tensor:
    """Apply ReLU and sum each channel over its pixels: (N, C, H, W) -> (N, C)."""
    return torch.relu(h).sum((2, 3))
