"""The residual discriminator of SNGAN and of the projection discriminator."""

from __future__ import annotations

from torch import Tensor, nn

from ganlab import DataSpec, Discriminator, DiscriminatorNet, Sites, hookimpl

from .._layers import glorot
from ._residual import DownBlock, ResidualDiscriminator, summed


class SNGANDiscriminator(ResidualDiscriminator):
    """Residual blocks without normalisation, sum pooling, and a linear layer.

    Spectral normalisation and projection are not part of the network, so that they can be varied:
    add the regularizer ``spectral-norm`` and the scheme ``projection``, as in the papers. The
    hidden layer of a block has as many channels as its input, as in the authors' code.
    """

    name = "sngan"
    paper = "Miyato et al., 2018, arXiv:1802.05957, tables 4 (32 x 32) and 6 (128 x 128)"
    for_tests = {"width": 2}

    def build(self, spec: DataSpec, sites: Sites) -> DiscriminatorNet:
        return Net(self.stages(spec.image_size), sites)


class Net(DiscriminatorNet):
    def __init__(self, stages: list[tuple[int, bool]], sites: Sites) -> None:
        super().__init__()
        self.image = sites.image()
        before, (width, _) = self.image.out_channels, stages[0]
        layers: list[nn.Module] = [
            DownBlock(before, width, glorot, hidden=width, first=True, gain=2**0.5)
        ]
        for after, halve in stages[1:]:
            layers.append(DownBlock(width, after, glorot, hidden=width, halve=halve, gain=2**0.5))
            width = after
        self.layers = nn.Sequential(*layers)
        self.head = sites.head(width, glorot(nn.Linear(width, 1)))

    def features(self, x: Tensor) -> Tensor:
        return summed(self.layers(x))


@hookimpl
def register_discriminators() -> list[type[Discriminator]]:
    return [SNGANDiscriminator]
