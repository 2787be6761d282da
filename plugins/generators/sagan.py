"""The generator of the self-attention GAN."""

from __future__ import annotations

from itertools import pairwise

import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from ganlab import DataSpec, Generator, GeneratorNet, Latents, Sites, hookimpl
from ganlab.nn import BatchNorm

from .._layers import Attention, checked_resolution, glorot
from ._residual import ResidualGenerator, UpBlock


class SAGANGenerator(ResidualGenerator):
    """A linear layer to 4 x 4 and residual blocks that double the size, one with self-attention.

    The normalisation layers in the blocks are norm sites; the last one is unconditional. The paper
    also applies spectral normalisation to G: add the regularizer ``spectral-norm`` with
    ``network: both``.
    """

    name = "sagan"
    paper = "Zhang et al., 2019, arXiv:1805.08318, section 3; blocks: Miyato & Koyama, 2018"
    for_tests = {"width": 4}

    attention: PositiveInt | None = None
    """Height in pixels of the feature map with self-attention. null: 32, or half of the image size
    if that is smaller."""

    def build(self, z_dim: int, spec: DataSpec, sites: Sites) -> GeneratorNet:
        attention = self.attention or min(32, spec.image_size // 2)
        return Net(self.widths(spec.image_size), attention, z_dim, spec, sites)


class Net(GeneratorNet):
    def __init__(
        self, channels: list[int], attention: int, z_dim: int, spec: DataSpec, sites: Sites
    ) -> None:
        super().__init__()
        self.latent = sites.latent(z_dim)
        self.style = sites.style(z_dim)
        self.first = glorot(nn.Linear(self.latent.out_features, channels[0] * 4 * 4))
        self.blocks = nn.ModuleList(
            UpBlock(before, after, lambda c: sites.norm(c, BatchNorm(c)), glorot)
            for before, after in pairwise(channels)
        )
        resolutions = [8 * 2**i for i in range(len(self.blocks))]
        checked_resolution(attention, resolutions, "generator")
        self.attentions = nn.ModuleList(
            Attention(after, glorot) if resolution == attention else nn.Identity()
            for after, resolution in zip(channels[1:], resolutions, strict=True)
        )
        self.norm = BatchNorm(channels[-1])
        self.last = glorot(nn.Conv2d(channels[-1], spec.channels, 3, padding=1))

    def synthesize(self, latents: Latents) -> Tensor:
        h = self.first(latents.w).unflatten(1, (-1, 4, 4))
        for block, attention in zip(self.blocks, self.attentions, strict=True):
            h = attention(block(h, latents.style, latents.style))
        return torch.tanh(self.last(torch.relu(self.norm(h))))


@hookimpl
def register_generators() -> list[type[Generator]]:
    return [SAGANGenerator]
