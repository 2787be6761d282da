"""The residual block of discriminators, and how wide the networks are that are made of it."""

from __future__ import annotations

import math

import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from ganlab import Discriminator

from .._layers import Init


class ResidualDiscriminator(Discriminator):
    """The options of the residual discriminators for ImageNet and CIFAR-10."""

    width: PositiveInt | None = None
    """Channels after the first block; by default 64 if they double from there on, else 128."""

    doubling: bool | None = None
    """Twice the channels at half the size, up to 16 times; by default from 64 x 64 on."""

    def stages(self, image_size: int) -> list[tuple[int, bool]]:
        """Return of each block how many channels it gives and whether it halves the size.

        Equal channels: halve to 8 x 8, then two more blocks. Doubling channels: halve to 4 x 4,
        then one more block, which halves again if it doubles again, as the authors' for 64 x 64.
        """
        doubling = image_size >= 64 if self.doubling is None else self.doubling
        if not doubling:
            return [(self.width or 128, i < 0) for i in range(3 - int(math.log2(image_size)), 2)]
        multiples = [min(2**i, 16) for i in range(int(math.log2(image_size)) - 1)]
        halves = [True] * (len(multiples) - 1) + [multiples[-1] > multiples[-2]]
        return [((self.width or 64) * m, half) for m, half in zip(multiples, halves, strict=True)]


class DownBlock(nn.Module):
    """h (N, before, H, W) -> (N, after, H/2, W/2), or (N, after, H, W) if it does not halve.

    ReLU, 3 x 3 convolution to ``hidden`` channels, ReLU, 3 x 3 convolution, half the size, added
    to the input at half the size after a 1 x 1 convolution, if either differs. The ``first`` block
    sees an image and starts without ReLU (Miyato et al., 2018, arXiv:1802.05957, figure 8 and
    tables 4 to 6; Gulrajani et al., 2017, arXiv:1704.00028).
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
        # Some papers halve last; it makes no difference to a 1 x 1 convolution, except in time.
        return self.pool(inner) + self.shortcut(self.pool(h))


def summed(h: Tensor) -> Tensor:
    """Return the sum of each channel over its places, after ReLU: (N, C, H, W) -> (N, C)."""
    return torch.relu(h).sum((2, 3))
