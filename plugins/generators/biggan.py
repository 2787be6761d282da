"""The generator of BigGAN, with hierarchical noise and a shared style at its norm sites."""

from __future__ import annotations

from itertools import pairwise

import torch
from pydantic import NonNegativeInt, PositiveInt
from torch import Tensor, nn

from ganlab import DataSpec, Generator, GeneratorNet, Latents, Sites, hookimpl
from ganlab.nn import BatchNorm

from .._layers import Attention, checked_resolution, orthogonal
from ._residual import UpBlock

CHANNELS = {
    16: (4, 4, 4),
    32: (4, 4, 4, 4),
    64: (16, 16, 8, 4, 2),
    128: (16, 16, 8, 4, 2, 1),
}
"""Image size -> multiples of the width at 4 x 4, 8 x 8, ... 128 follows the paper, 64 and 32 the
authors' BigGAN-PyTorch; 16 is 32 without one block."""


class BigGANGenerator(Generator):
    """A linear layer to 4 x 4 and residual blocks that double the size, one with self-attention.

    The noise is split into one chunk for the linear layer and one chunk per block. The norm sites
    of a block receive the style concatenated with the chunk of the block. With a scheme that does
    not claim the norm site, only the first chunk has an effect: set ``hierarchical: false``. The
    paper uses the schemes ``[shared-embedding, cbn, projection]`` and the regularizer
    ``spectral-norm`` with ``network: both``.
    """

    name = "biggan"
    paper = "Brock, Donahue & Simonyan, 2019, arXiv:1809.11096, appendix B, table 4, figure 15"
    for_tests = {"width": 1}

    width: PositiveInt = 64
    """Base number of channels (ch): all layers have a multiple of it. 96 in the paper."""

    hierarchical: bool = True
    """Split the noise into chunks of equal length; the first chunk also gets the remainder. false:
    the linear layer gets all of the noise."""

    attention: NonNegativeInt | None = None
    """Height in pixels of the feature map with self-attention. null: half of the image size. 0: no
    attention."""

    def build(self, z_dim: int, spec: DataSpec, sites: Sites) -> GeneratorNet:
        channels = [self.width * multiple for multiple in CHANNELS[spec.image_size]]
        chunk = z_dim // len(channels) if self.hierarchical else 0
        attention = spec.image_size // 2 if self.attention is None else self.attention
        return Net(channels, chunk, attention, z_dim, spec, sites)


class Net(GeneratorNet):
    def __init__(
        self,
        channels: list[int],
        chunk: int,
        attention: int,
        z_dim: int,
        spec: DataSpec,
        sites: Sites,
    ) -> None:
        super().__init__()
        blocks = len(channels) - 1
        self.chunks = [z_dim - blocks * chunk] + blocks * [chunk]
        self.latent = sites.latent(self.chunks[0])
        self.style = sites.style(z_dim)
        self.first = orthogonal(nn.Linear(self.latent.out_features, channels[0] * 4 * 4))
        self.blocks = nn.ModuleList(
            UpBlock(before, after, lambda c: sites.norm(c, BatchNorm(c), extra=chunk), orthogonal)
            for before, after in pairwise(channels)
        )
        resolutions = [8 * 2**i for i in range(blocks)]
        if attention:
            checked_resolution(attention, resolutions, "generator")
        self.attentions = nn.ModuleList(
            Attention(after, orthogonal) if resolution == attention else nn.Identity()
            for after, resolution in zip(channels[1:], resolutions, strict=True)
        )
        self.norm = BatchNorm(channels[-1])
        self.last = orthogonal(nn.Conv2d(channels[-1], spec.channels, 3, padding=1))

    def map(self, z: Tensor, y: Tensor) -> Latents:
        """Return the input of the linear layer and the style of each norm site, from noise (N, Z).

        The first chunk of the noise goes to the latent site with the label. Each other chunk is
        concatenated to the style of one block.
        """
        first, *chunks = z.split(self.chunks, dim=1)
        style = self.style(z, y)
        styles = [torch.cat([style, chunk], dim=1) for chunk in chunks]
        return Latents(self.latent(first, y), [s for s in styles for _ in range(2)])

    def synthesize(self, latents: Latents) -> Tensor:
        h = self.first(latents.w).unflatten(1, (-1, 4, 4))
        styles = iter(latents.style)
        for block, attention in zip(self.blocks, self.attentions, strict=True):
            h = attention(block(h, next(styles), next(styles)))
        return torch.tanh(self.last(torch.relu(self.norm(h))))


@hookimpl
def register_generators() -> list[type[Generator]]:
    return [BigGANGenerator]
