"""The discriminator of DCGAN, conditioned at its image and head sites."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import PositiveInt
from torch import Tensor, nn

from ganlab import DataSpec, Discriminator, DiscriminatorNet, Sites, hookimpl
from ganlab.nn import BatchNorm, dcgan_init


class DCGANDiscriminator(Discriminator):
    """Strided convolutions down to 4 x 4; each halves the size and doubles the channels.

    Without a bias before the first normalisation layer, D is blind to contrast: real and generated
    batches are normalised separately, so that x and x / 2 give the same logits. G's images then
    stay grey for long, and small networks collapse on MNIST at 64 x 64 (docs/benchmarks.md). Label
    channels concatenated to the image (`concat`) act as a bias.
    """

    name = "dcgan"
    paper = "Radford, Metz & Chintala, 2016, arXiv:1511.06434"
    for_tests = {"width": 4}

    width: PositiveInt = 64
    """Number of channels after the first layer (ndf). Each further layer doubles it."""

    norm: Literal["batch", "instance", "none"] = "batch"
    """Normalisation after each layer except the first. Gradient penalties assume that images do
    not affect each other: use ``instance`` or ``none`` with them."""

    bias: bool | None = None
    """Bias in the first layer. null: only if no scheme adds channels to the image, which would act
    as a bias. The default experiment adds label channels and has no bias."""

    def build(self, spec: DataSpec, sites: Sites) -> DiscriminatorNet:
        return Net(self, spec, sites)


class Net(DiscriminatorNet):
    def __init__(self, options: DCGANDiscriminator, spec: DataSpec, sites: Sites) -> None:
        super().__init__()
        self.image = sites.image()
        unextended = self.image.out_channels == spec.channels
        bias = unextended if options.bias is None else options.bias
        halvings = int(math.log2(spec.image_size)) - 2
        channels = [options.width * 2**i for i in range(halvings)]
        layers: list[nn.Module] = []
        for before, after in zip([self.image.out_channels, *channels], channels, strict=False):
            if layers:
                layers.append(dcgan_init(nn.Conv2d(before, after, 4, 2, 1, bias=False)))
                layers.append(_normalisation(options.norm, after))
            else:
                layers.append(_first(before, after, bias=bias))
            layers.append(nn.LeakyReLU(0.2))
        self.layers = nn.Sequential(*layers)
        features = channels[-1] * 4 * 4
        # A 4 x 4 convolution of a 4 x 4 map to one number is this linear layer.
        self.head = sites.head(features, dcgan_init(nn.Linear(features, 1, bias=False)))

    def features(self, x: Tensor) -> Tensor:
        return self.layers(x).flatten(1)


def _first(before: int, after: int, *, bias: bool) -> nn.Conv2d:
    """Return the first layer.

    The bias keeps torch's initial values: with 0, small networks still collapse at 64 x 64.
    """
    layer = nn.Conv2d(before, after, 4, 2, 1, bias=bias)
    nn.init.normal_(layer.weight, std=0.02)
    return layer


def _normalisation(norm: str, channels: int) -> nn.Module:
    if norm == "batch":
        return dcgan_init(BatchNorm(channels))
    return nn.InstanceNorm2d(channels, affine=True) if norm == "instance" else nn.Identity()


@hookimpl
def register_discriminators() -> list[type[Discriminator]]:
    return [DCGANDiscriminator]
