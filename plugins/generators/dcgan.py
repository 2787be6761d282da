"""The generator of DCGAN, conditioned at its latent and norm sites."""

from __future__ import annotations

import math

import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from ganlab import DataSpec, Generator, GeneratorNet, Latents, Sites, hookimpl
from ganlab.nn import BatchNorm, dcgan_init


class DCGANGenerator(Generator):
    """Transposed convolutions from 4 x 4; each doubles the size and halves the channels.

    The convolutions have no bias. With a scheme that replaces the normalisation layers (`cbn`,
    `film`, ...), a learned constant (C, 4, 4), initially 0, is added to the output of the first
    one, like the bias of the first linear layer in the papers of these schemes.
    """

    name = "dcgan"
    paper = "Radford, Metz & Chintala, 2016, arXiv:1511.06434, figure 1"
    for_tests = {"width": 4}

    width: PositiveInt = 64
    """Number of channels before the last layer (ngf). Each layer closer to the noise doubles it."""

    def build(self, z_dim: int, spec: DataSpec, sites: Sites) -> GeneratorNet:
        return Net(self.width, z_dim, spec, sites)


class Net(GeneratorNet):
    def __init__(self, width: int, z_dim: int, spec: DataSpec, sites: Sites) -> None:
        super().__init__()
        self.latent = sites.latent(z_dim)
        self.style = sites.style(z_dim)
        doublings = int(math.log2(spec.image_size)) - 2
        channels = [width * 2**i for i in reversed(range(doublings))]
        ups = [nn.ConvTranspose2d(self.latent.out_features, channels[0], 4, 1, 0, bias=False)]
        for before, after in zip(channels, [*channels[1:], spec.channels], strict=True):
            ups.append(nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False))
        self.ups = nn.ModuleList(dcgan_init(up) for up in ups)
        self.start = sites.constant(channels[0], 4, 4)
        self.norms = nn.ModuleList(sites.norm(c, dcgan_init(BatchNorm(c))) for c in channels)

    def synthesize(self, latents: Latents) -> Tensor:
        first, *inner, last = self.ups
        norm, *norms = self.norms
        h = self.start(first(latents.w[:, :, None, None]))
        h = torch.relu(norm(h, latents.style))
        for up, norm in zip(inner, norms, strict=True):
            h = torch.relu(norm(up(h), latents.style))
        return torch.tanh(last(h))


@hookimpl
def register_generators() -> list[type[Generator]]:
    return [DCGANGenerator]
