"""The discriminator of R3GAN, conditioned at its image and head sites."""

from __future__ import annotations

from itertools import pairwise

from pydantic import PositiveInt
from torch import Tensor, nn

from ganlab import DataSpec, Discriminator, DiscriminatorNet, Sites, hookimpl

from ..generators._resampling import Downsample
from ..generators._resnext import Block, change, initialised, widths


class R3GANDiscriminator(Discriminator):
    """ResNeXt blocks without normalisation down to 4 x 4, then a learned weighted sum of pixels.

    The paper conditions D by projection: its logit is <A h, v_y>, where h (N, width) are the
    features, A is a square matrix and v_y a class vector. The scheme ``projection`` gives the same
    functions without A and adds an unconditional logit. The paper uses the loss ``relativistic``
    with the regularizers ``r1`` and ``r2``. ``spectral-norm`` cannot be used, because some layers
    are initialised to zero.
    """

    name = "r3gan"
    paper = "Huang et al., 2024, arXiv:2501.05441, figure 2c (config E)"
    for_tests = {"width": 8, "group_size": 4}

    width: PositiveInt = 768
    """Number of channels of the stages up to 32 x 32. It is halved at each larger size."""

    blocks: PositiveInt = 2
    """Number of residual blocks per stage."""

    expansion: PositiveInt = 2
    """Ratio of the hidden channels of a block to its input channels."""

    group_size: PositiveInt = 16
    """Number of channels per group in the 3 x 3 convolutions. If it does not divide the hidden
    channels, their greatest common divisor is used."""

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
