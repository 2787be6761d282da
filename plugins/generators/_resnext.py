"""The residual block and the channel counts of both R3GAN networks."""

from __future__ import annotations

import math
from typing import TypeVar

from torch import Tensor, nn
from torch.nn.functional import leaky_relu

Layer = TypeVar("Layer", nn.Conv2d, nn.Linear)


def activate(h: Tensor) -> Tensor:
    """Apply a leaky ReLU of slope 0.2."""
    return leaky_relu(h, 0.2)


GAIN = math.sqrt(2 / (1 + 0.2**2))
"""The gain that preserves the variance through a leaky ReLU of slope 0.2 (He et al., 2015)."""


def initialised(layer: Layer, *, gain: float = 1.0) -> Layer:
    """Initialise the weight from N(0, gain^2 / fan_in) and the bias to 0; return the layer."""
    nn.init.normal_(layer.weight, std=gain / math.sqrt(layer.weight[0].numel()))
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


class Block(nn.Module):
    """An inverted bottleneck: 1 x 1 expansion, grouped 3 x 3 convolution, 1 x 1 projection.

    (N, channels, H, W) -> (N, channels, H, W). Fixup initialisation (Zhang et al., 2019,
    arXiv:1901.09321): the last convolution starts at zero, so that the block starts as the
    identity, and the others are scaled by L^(-1 / (2 m - 2)) for L blocks of m = 3 layers.
    """

    def __init__(
        self, channels: int, *, expansion: int, group_size: int, number_of_blocks: int
    ) -> None:
        super().__init__()
        self.inner = expansion * channels
        groups = self.inner // math.gcd(self.inner, group_size)
        gain = GAIN * number_of_blocks ** (-1 / 4)
        self.widen = initialised(nn.Conv2d(channels, self.inner, 1), gain=gain)
        self.mix = initialised(
            nn.Conv2d(self.inner, self.inner, 3, padding=1, groups=groups), gain=gain
        )
        self.narrow = initialised(nn.Conv2d(self.inner, channels, 1, bias=False), gain=0.0)

    def forward(self, h: Tensor) -> Tensor:
        return h + self.narrow(activate(self.mix(activate(self.widen(h)))))


def widths(width: int, image_size: int) -> list[int]:
    """Return the channels of the stages from 4 x 4 to the image size.

    Stages up to 32 x 32 have ``width`` channels; each larger stage has half of the previous one.
    """
    sizes = [2**i for i in range(2, int(math.log2(image_size)) + 1)]
    return [min(width, 32 * width // size) for size in sizes]


def change(before: int, after: int) -> nn.Module:
    """Return a 1 x 1 convolution from ``before`` to ``after`` channels; the identity if equal."""
    if before == after:
        return nn.Identity()
    return initialised(nn.Conv2d(before, after, 1, bias=False))
