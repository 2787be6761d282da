"""The discriminator of the self-attention GAN."""

from __future__ import annotations

from pydantic import PositiveInt
from torch import Tensor, nn

from ganlab import DataSpec, Discriminator, DiscriminatorNet, Sites, hookimpl

from .._layers import Attention, checked_resolution, glorot
from ._residual import DownBlock, ResidualDiscriminator, summed


class SAGANDiscriminator(ResidualDiscriminator):
    """Residual blocks without normalisation, self-attention after one block, and a linear layer.

    Spectral normalisation and projection are not part of the network: add the regularizer
    ``spectral-norm`` with ``network: both`` and the scheme ``projection``, as in the paper. The
    hidden layer of a block has as many channels as its output.
    """

    name = "sagan"
    paper = "Zhang et al., 2019, arXiv:1805.08318, section 3; blocks: Miyato & Koyama, 2018"
    for_tests = {"width": 4}

    attention: PositiveInt | None = None
    """Height in pixels of the feature map with self-attention. null: 32, or half of the image size
    if that is smaller."""

    def build(self, spec: DataSpec, sites: Sites) -> DiscriminatorNet:
        attention = self.attention or min(32, spec.image_size // 2)
        return Net(self.stages(spec.image_size), attention, spec, sites)


class Net(DiscriminatorNet):
    def __init__(
        self, stages: list[tuple[int, bool]], attention: int, spec: DataSpec, sites: Sites
    ) -> None:
        super().__init__()
        self.image = sites.image()
        width, resolution = self.image.out_channels, spec.image_size
        layers: list[nn.Module] = []
        resolutions = []
        for after, halve in stages:
            first = not layers
            layers.append(DownBlock(width, after, glorot, hidden=after, halve=halve, first=first))
            width, resolution = after, resolution // 2 if halve else resolution
            if resolution == attention and resolution not in resolutions:
                layers.append(Attention(width, glorot))
            resolutions.append(resolution)
        checked_resolution(attention, resolutions, "discriminator")
        self.layers = nn.Sequential(*layers)
        self.head = sites.head(width, glorot(nn.Linear(width, 1)))

    def features(self, x: Tensor) -> Tensor:
        return summed(self.layers(x))


@hookimpl
def register_discriminators() -> list[type[Discriminator]]:
    return [SAGANDiscriminator]
