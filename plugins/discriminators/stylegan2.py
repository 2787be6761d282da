"""The discriminator of StyleGAN2, conditioned at its image and head sites."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from ganlab import DataSpec, Discriminator, DiscriminatorNet, Sites, distributed, hookimpl

from ..generators._equalized import Conv, Linear, activate
from ..generators._resampling import Blur, Downsample


class StyleGAN2Discriminator(Discriminator):
    """Residual blocks that halve the size down to 4 x 4, with minibatch standard deviation.

    ADA (Karras et al., 2020, arXiv:2006.06676) conditions D by projection: its logit is
    <A h, M(y)> / sqrt(F), where h (N, F) are the features, A is a last layer of F outputs and M
    maps a learned class vector through 8 layers. The scheme ``projection`` has neither the mapping
    nor the root: its logit is <h, v_y> with a class vector v_y, plus an unconditional logit.
    """

    name = "stylegan2"
    paper = (
        "Karras et al., 2020, arXiv:1912.04958, figure 7c; "
        "batch statistics: Karras et al., 2018, arXiv:1710.10196, section 3"
    )
    for_tests = {"channel_max": 8}

    channel_base: PositiveInt = 32768
    """A feature map of height S has ``channel_base`` / S channels, at most ``channel_max``."""

    channel_max: PositiveInt = 512
    """Maximum number of channels of a layer."""

    group_size: PositiveInt = 4
    """Number of images per group for the minibatch standard deviation. If it does not divide the
    batch size, the largest smaller divisor is used. ADA uses 32 for CIFAR-10."""

    residual: bool = True
    """Add a shortcut with downsampling to each block. ADA omits it for CIFAR-10."""

    def build(self, spec: DataSpec, sites: Sites) -> DiscriminatorNet:
        return Net(self, spec, sites)


class Net(DiscriminatorNet):
    def __init__(self, options: StyleGAN2Discriminator, spec: DataSpec, sites: Sites) -> None:
        super().__init__()
        self.group_size = options.group_size
        self.image = sites.image()
        sizes = [2**i for i in range(int(math.log2(spec.image_size)), 1, -1)]
        channels = [min(options.channel_base // size, options.channel_max) for size in sizes]
        self.from_image = Conv(self.image.out_channels, channels[0], 1)
        kind = ResidualBlock if options.residual else Block
        self.blocks = nn.Sequential(*(kind(*pair) for pair in pairwise(channels)))
        last = channels[-1]
        self.conv = Conv(last + 1, last, 3)
        self.dense = Linear(last * 4 * 4, last)
        self.head = sites.head(last, Linear(last, 1))

    def features(self, x: Tensor) -> Tensor:
        h = self.blocks(activate(self.from_image(x)))  # (N, C, 4, 4)
        std = distributed.local(minibatch_std(distributed.gather(h), self.group_size))
        h = torch.cat([h, std], dim=1)
        return activate(self.dense(activate(self.conv(h)).flatten(1)))


class Block(nn.Module):
    """A convolution, a low-pass filter and a convolution with stride 2."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.conv = Conv(before, before, 3)
        self.blur = Blur(padding=2)
        self.down = Conv(before, after, 3, stride=2, padding=0)

    def forward(self, h: Tensor) -> Tensor:
        return activate(self.down(self.blur(activate(self.conv(h)))))


class ResidualBlock(Block):
    """A block plus a linear shortcut, divided by sqrt(2) to preserve the variance."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__(before, after)
        self.shortcut = nn.Sequential(Downsample(), Conv(before, after, 1, bias=False))

    def forward(self, h: Tensor) -> Tensor:
        return (self.shortcut(h) + super().forward(h)) / math.sqrt(2)


def minibatch_std(h: Tensor, group_size: int) -> Tensor:
    """Return the minibatch standard deviation of h (N, C, H, W) as one channel (N, 1, H, W).

    It is the standard deviation over a group of images, averaged over channels and pixels. With
    groups of n images, image i belongs to group i mod (N / n).
    """
    group = next(n for n in range(min(group_size, len(h)), 0, -1) if len(h) % n == 0)
    split = h.reshape(group, -1, *h.shape[1:])  # (n, N / n, C, H, W)
    variance = (split - split.mean(0)).square().mean(0)
    mean = (variance + 1e-8).sqrt().mean((1, 2, 3))  # (N / n,)
    return mean.repeat(group)[:, None, None, None].expand(-1, 1, *h.shape[2:])


@hookimpl
def register_discriminators() -> list[type[Discriminator]]:
    return [StyleGAN2Discriminator]
