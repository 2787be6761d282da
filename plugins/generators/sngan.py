"""The residual generator of SNGAN and of the projection discriminator paper."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from ganlab import DataSpec, Generator, GeneratorNet, Latents, Sites, hookimpl
from ganlab.nn import BatchNorm

from .._layers import glorot
from ._residual import ResidualGenerator, UpBlock


class SNGANGenerator(ResidualGenerator):
    """A linear layer to 4 x 4, residual blocks that double the size, and a convolution.

    The normalisation layers in the blocks are norm sites; the last one is unconditional. As in the
    paper, G has no spectral normalisation; ``spectral-norm`` with ``network: both`` would add it.
    """

    name = "sngan"
    paper = "Miyato et al., 2018, arXiv:1802.05957, tables 4 (32 x 32) and 6 (128 x 128)"
    for_tests = {"width": 2}

    def build(self, z_dim: int, spec: DataSpec, sites: Sites) -> GeneratorNet:
        return Net(self.widths(spec.image_size), z_dim, spec, sites)


class Net(GeneratorNet):
    def __init__(self, channels: list[int], z_dim: int, spec: DataSpec, sites: Sites) -> None:
        super().__init__()
        self.latent = sites.latent(z_dim)
        self.style = sites.style(z_dim)
        self.first = glorot(nn.Linear(self.latent.out_features, channels[0] * 4 * 4))
        self.blocks = nn.ModuleList(
            UpBlock(before, after, lambda c: sites.norm(c, BatchNorm(c)), glorot, gain=2**0.5)
            for before, after in pairwise(channels)
        )
        self.norm = BatchNorm(channels[-1])
        self.last = glorot(nn.Conv2d(channels[-1], spec.channels, 3, padding=1))

    def synthesize(self, latents: Latents) -> Tensor:
        h = self.first(latents.w).unflatten(1, (-1, 4, 4))
        for block in self.blocks:
            h = block(h, latents.style, latents.style)
        return torch.tanh(self.last(torch.relu(self.norm(h))))


@hookimpl
def register_generators() -> list[type[Generator]]:
    return [SNGANGenerator]
