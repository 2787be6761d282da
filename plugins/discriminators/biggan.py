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
"""Image size -> for each block, the multiple of the width and whether the block halves the size.
128 follows the paper, 64 and 32 the authors' BigGAN-PyTorch; 16 is 32 without its first block."""


class BigGANDiscriminator(Discriminator):
    """Residual blocks without normalisation, self-attention after one block, and a linear layer.

    Spectral normalisation and projection are not part of the network: add the regularizer
    ``spectral-norm`` with ``network: both`` and the scheme ``projection``, as in the paper. The
    hidden layer of a block has as many channels as its output.
    """

    name = "biggan"
    paper = "Brock, Donahue & Simonyan, 2019, arXiv:1809.11096, appendix B, table 4, figure 15"
    for_tests = {"width": 1}

    width: PositiveInt = 64
    """Base number of channels (ch): all layers have a multiple of it, and the first block has ch
    channels at 128 x 128. 96 in the paper."""

    attention: NonNegativeInt | None = None
    """Height in pixels of the feature map with self-attention. null: half of the image size. 0: no
    attention."""

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
