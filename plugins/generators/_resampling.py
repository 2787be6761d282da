"""Upsampling and downsampling by two with a low-pass filter, as in StyleGAN2 and R3GAN."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d


class Filter(nn.Module):
    """The separable low-pass filter [1, 3, 3, 1] / 8, applied to each channel."""

    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
        self.register_buffer("kernel", taps.outer(taps)[None, None], persistent=False)

    def each(self, h: Tensor) -> Tensor:
        """Return the filter as the weight (C, 1, 4, 4) of a depthwise convolution of ``h``."""
        return self.kernel.expand(h.shape[1], -1, -1, -1)


class Upsample(Filter):
    """(N, C, H, W) -> (N, C, 2 H, 2 W): insert zeros between the pixels, then filter."""

    def forward(self, h: Tensor) -> Tensor:
        # Three of four pixels under the filter are inserted zeros: multiply by 4.
        return conv_transpose2d(h, 4 * self.each(h), stride=2, padding=1, groups=h.shape[1])


class Downsample(Filter):
    """(N, C, H, W) -> (N, C, H / 2, W / 2): filter, then keep every second pixel."""

    def forward(self, h: Tensor) -> Tensor:
        return conv2d(h, self.each(h), stride=2, padding=1, groups=h.shape[1])


class Blur(Filter):
    """The filter without resampling: (N, C, H, W) -> (N, C, H + 2 padding - 3, W + 2 padding - 3).

    ``gain`` multiplies the output.
    """

    def __init__(self, *, padding: int, gain: float = 1.0) -> None:
        super().__init__()
        self.padding, self.gain = padding, gain

    def forward(self, h: Tensor) -> Tensor:
        return conv2d(h, self.gain * self.each(h), padding=self.padding, groups=h.shape[1])
