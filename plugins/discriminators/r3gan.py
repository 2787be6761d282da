"""The discriminator of R3GAN, conditioned at its image and head sites."""

from __future__ import annotations

from itertools import pairwise

from pydantic import PositiveInt
from torch import Tensor, nn

from ganlab import DataSpec, Discriminator, DiscriminatorNet, Sites, hookimpl

from ..generators._resampling import Downsample
from ..generators._resnext import Block, change, initialised, widths


class R3GANDiscriminator(Discriminator):
    """ResNeXt blocks without normalisation down to 4 x 4, and a weighted sum of the 16 pixels.

    The label's way in the paper is a projection: its logit is <A h, v_y>, with the features h
    (N, width), a square matrix A and a vector for each class. `projection` gives the same functions
    with A left out, and adds a logit of no class. The paper's loss is `relativistic` with `r1` and
    `r2`. Spectral normalisation does not go with layers that start as 0.
    """

    name = "r3gan"
    paper = "Huang et al., 2024, arXiv:2501.05441, figure 2c (config E)"
    for_tests = {"width": 8, "group_size": 4}

    width: PositiveInt = 768
    """Channels of the stages up to 32 x 32; half as many at each doubling from there."""

    blocks: PositiveInt = 2
    """Residual blocks of a stage."""

    expansion: PositiveInt = 2
    """How many times wider a block is inside."""

    group_size: PositiveInt = 16
    """Channels of a group of the 3 x 3 convolutions; where it does not divide them, the largest
    common divisor."""

    def build(self, spec: DataSpec, sites: Sites) -> DiscriminatorNet:
        return Net(self, spec, sites)


class Net(DiscriminatorNet):
    def __init__(self, options: R3GANDiscriminator, spec: DataSpec, sites: Sites) -> None:
        super().__init__()
        self.image = sites.image()
        channels = widths(options.width, spec.image_size)[::-1]
        self.from_image = initialised(
            nn.Conv2d(self.image.out_channels, channels[0], 1, bias=False)
        )

        def stage(width: int) -> list[Block]:
            return [
                Block(
                    width,
                    expansion=options.expansion,
                    group_size=options.group_size,
                    number_of_blocks=options.blocks * len(channels),
                )
                for _ in range(options.blocks)
            ]

        layers: list[nn.Module] = []
        for before, after in pairwise(channels):
            layers += [*stage(before), Downsample(), change(before, after)]
        last = channels[-1]
        self.layers = nn.Sequential(*layers, *stage(last))
        self.basis = initialised(nn.Conv2d(last, last, 4, groups=last, bias=False))
        self.head = sites.head(last, initialised(nn.Linear(last, 1, bias=False)))

    def features(self, x: Tensor) -> Tensor:
        return self.basis(self.layers(self.from_image(x))).flatten(1)


@hookimpl
def register_discriminators() -> list[type[Discriminator]]:
    return [R3GANDiscriminator]
