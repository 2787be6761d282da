"""The discriminator of BigGAN."""

from __future__ import annotations

from pydantic import NonNegativeInt, PositiveInt
from torch import Tensor, nn

from ganlab import DataSpec, Discriminator, DiscriminatorNet, Sites, hookimpl

from .._layers import Attention, checked_resolution, orthogonal
from ._residual import DownBlock, summed

STAGES = {
    16: ((4, True), (4, False), (4, False)),
    32: ((4, True), (4, True), (4, False), (4, False)),
    64: ((1, True), (2, True), (4, True), (8, True), (16, False)),
    128: ((1, True), (2, True), (4, True), (8, True), (16, True), (16, False)),
}
"""Of each block the multiple of the width, and whether it halves the size: 128 as in the paper, 64
and 32 as in its authors' BigGAN-PyTorch, 16 as 32 with a block less."""


class BigGANDiscriminator(Discriminator):
    """Residual blocks without normalisation, attention after one of them, and a linear layer.

    Its spectral normalisation is the regularizer ``spectral-norm`` with ``network: both``, and
    the projection the scheme of that name. The hidden layer of a block is as wide as its output.
    """

    name = "biggan"
    paper = "Brock, Donahue & Simonyan, 2019, arXiv:1809.11096, appendix B, table 4, figure 15"
    for_tests = {"width": 1}

    width: PositiveInt = 64
    """Channels after the first block at 128 x 128, of which all layers have multiples (ch; 96)."""

    attention: NonNegativeInt | None = None
    """Height of the feature map that attends to itself; by default half the image, 0 for none."""

    def build(self, spec: DataSpec, sites: Sites) -> DiscriminatorNet:
        stages = [(self.width * multiple, halve) for multiple, halve in STAGES[spec.image_size]]
        attention = spec.image_size // 2 if self.attention is None else self.attention
        return Net(stages, attention, spec, sites)


class Net(DiscriminatorNet):
    def __init__(
        self, stages: list[tuple[int, bool]], attention: int, spec: DataSpec, sites: Sites
    ) -> None:
        super().__init__()
        self.image = sites.image()
        width, resolution = self.image.out_channels, spec.image_size
        layers: list[nn.Module] = []
        resolutions: list[int] = []
        for after, halve in stages:
            first = not layers
            layers.append(
                DownBlock(width, after, orthogonal, hidden=after, halve=halve, first=first)
            )
            width, resolution = after, resolution // 2 if halve else resolution
            if resolution == attention and resolution not in resolutions:
                layers.append(Attention(width, orthogonal))
            resolutions.append(resolution)
        if attention:
            checked_resolution(attention, resolutions, "discriminator")
        self.layers = nn.Sequential(*layers)
        self.head = sites.head(width, orthogonal(nn.Linear(width, 1)))

    def features(self, x: Tensor) -> Tensor:
        return summed(self.layers(x))


@hookimpl
def register_discriminators() -> list[type[Discriminator]]:
    return [BigGANDiscriminator]
