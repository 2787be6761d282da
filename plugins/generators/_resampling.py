"""Doubling and halving images through a low-pass filter, as StyleGAN2 and R3GAN do."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d


class Filter(nn.Module):
    """[1, 3, 3, 1] / 8 along the rows and along the columns of every channel."""

    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
        self.register_buffer("kernel", taps.outer(taps)[None, None], persistent=False)

    def each(self, h: Tensor) -> Tensor:
        """Return the filter as the weight (C, 1, 4, 4) of a convolution of each channel."""
        return self.kernel.expand(h.shape[1], -1, -1, -1)


class Upsample(Filter):
    """(N, C, H, W) -> (N, C, 2 H, 2 W): zeros between the pixels, then the filter."""

    def forward(self, h: Tensor) -> Tensor:
        # Three of four pixels that the filter sees are zeros: four times the gain.
        return conv_transpose2d(h, 4 * self.each(h), stride=2, padding=1, groups=h.shape[1])


class Downsample(Filter):
    """(N, C, H, W) -> (N, C, H / 2, W / 2): the filter, then every second pixel."""

    def forward(self, h: Tensor) -> Tensor:
        return conv2d(h, self.each(h), stride=2, padding=1, groups=h.shape[1])


class Blur(Filter):
    """The filter alone: (N, C, H, W) -> (N, C, H + 2 padding - 3, W + 2 padding - 3)."""

    def __init__(self, *, padding: int, gain: float = 1.0) -> None:
        super().__init__()
        self.padding, self.gain = padding, gain

    def forward(self, h: Tensor) -> Tensor:
        return conv2d(h, self.gain * self.each(h), padding=self.padding, groups=h.shape[1])
