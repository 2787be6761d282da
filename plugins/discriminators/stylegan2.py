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
    """Residual blocks that halve the size down to 4 x 4, where D sees how much a batch varies.

    The label's way in ADA (Karras et al., 2020, arXiv:2006.06676) is a projection: its logit is
    <A h, M(y)> / sqrt(F), with the features h (N, F), a last layer A of F outputs, and a mapping M
    of a learned vector by 8 layers. `projection` has the same functions of h and y without that
    mapping and root: a vector v_y for each class, <h, v_y>, and a logit of no class beside it.
    """

    name = "stylegan2"
    paper = (
        "Karras et al., 2020, arXiv:1912.04958, figure 7c; "
        "batch statistics: Karras et al., 2018, arXiv:1710.10196, section 3"
    )
    for_tests = {"channel_max": 8}

    channel_base: PositiveInt = 32768
    """Channels of a layer times its height, where ``channel_max`` is not the limit."""

    channel_max: PositiveInt = 512
    """Channels of a layer at most."""

    group_size: PositiveInt = 4
    """Images over which deviations are taken: if need be fewer, the largest number that divides
    the batch. ADA takes 32 for CIFAR-10."""

    residual: bool = True
    """Blocks add what they got, halved by the filter. ADA leaves it out for CIFAR-10."""

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
        varies = distributed.local(deviation(distributed.gather(h), self.group_size))
        h = torch.cat([h, varies], dim=1)
        return activate(self.dense(activate(self.conv(h)).flatten(1)))


class Block(nn.Module):
    """Two convolutions, the second behind the filter and with stride 2."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.conv = Conv(before, before, 3)
        self.blur = Blur(padding=2)
        self.down = Conv(before, after, 3, stride=2, padding=0)

    def forward(self, h: Tensor) -> Tensor:
        return activate(self.down(self.blur(activate(self.conv(h)))))


class ResidualBlock(Block):
    """A block and its linear shortcut, over sqrt 2, so that the sum is as large as either."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__(before, after)
        self.shortcut = nn.Sequential(Downsample(), Conv(before, after, 1, bias=False))

    def forward(self, h: Tensor) -> Tensor:
        return (self.shortcut(h) + super().forward(h)) / math.sqrt(2)


def deviation(h: Tensor, group_size: int) -> Tensor:
    """Return (N, 1, H, W): how much h (N, C, H, W) varies within groups of images.

    It is the mean, over channels and pixels, of the standard deviation over a group. With groups of
    n images from N, image i is in the group of i mod N / n.
    """
    group = next(n for n in range(min(group_size, len(h)), 0, -1) if len(h) % n == 0)
    split = h.reshape(group, -1, *h.shape[1:])  # (n, N / n, C, H, W)
    variance = (split - split.mean(0)).square().mean(0)
    mean = (variance + 1e-8).sqrt().mean((1, 2, 3))  # (N / n,)
    return mean.repeat(group)[:, None, None, None].expand(-1, 1, *h.shape[2:])


@hookimpl
def register_discriminators() -> list[type[Discriminator]]:
    return [StyleGAN2Discriminator]
