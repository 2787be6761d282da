"""The generator of R3GAN, conditioned at its latent and norm sites."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from ganlab import DataSpec, Generator, GeneratorNet, Latents, Sites, hookimpl

from ._resampling import Upsample
from ._resnext import Block, activate, change, initialised, widths


class R3GANGenerator(Generator):
    """ResNeXt blocks without normalisation, from a learned 4 x 4 basis up; it mirrors D.

    The label's way in the paper is the latent site: `concat` with ``embedding: 64`` puts a learned
    vector beside z. A scheme of the norm site acts before both activations of each block. Images
    are not squashed: as in the paper they may leave [-1, 1], and are cut when they are drawn.
    """

    name = "r3gan"
    paper = "Huang et al., 2024, arXiv:2501.05441, figure 2c (config E)"
    for_tests = {"width": 8, "group_size": 4}

    width: PositiveInt = 768
    """Channels of the stages up to 32 x 32; half as many at each doubling from there."""

    blocks: PositiveInt = 2
    """Residual blocks of a stage."""

    expansion: PositiveInt = 2
    """How many times wider a block is inside."""

    group_size: PositiveInt = 16
    """Channels of a group of the 3 x 3 convolutions; where it does not divide them, the largest
    common divisor."""

    def build(self, z_dim: int, spec: DataSpec, sites: Sites) -> GeneratorNet:
        return Net(self, z_dim, spec, sites)


class Net(GeneratorNet):
    def __init__(self, options: R3GANGenerator, z_dim: int, spec: DataSpec, sites: Sites) -> None:
        super().__init__()
        self.latent = sites.latent(z_dim)
        self.style = sites.style(z_dim)
        channels = widths(options.width, spec.image_size)
        self.basis = nn.Parameter(torch.randn(1, channels[0], 4, 4))
        self.amplitude = initialised(nn.Linear(self.latent.out_features, channels[0], bias=False))
        layers: list[nn.Module] = []
        for before, after in pairwise([channels[0], *channels]):
            if layers:
                layers.append(Double(before, after))
            for _ in range(options.blocks):
                layers.append(
                    StyledBlock(
                        after,
                        sites,
                        expansion=options.expansion,
                        group_size=options.group_size,
                        number_of_blocks=options.blocks * len(channels),
                    )
                )
        self.layers = nn.ModuleList(layers)
        self.to_image = initialised(nn.Conv2d(channels[-1], spec.channels, 1, bias=False))

    def synthesize(self, latents: Latents) -> Tensor:
        h = self.basis * self.amplitude(latents.w)[:, :, None, None]
        for layer in self.layers:
            h = layer(h, latents.style)
        return self.to_image(h)


class Double(nn.Module):
    """Change the number of channels, then double the size: (h, style) -> h."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.change = change(before, after)
        self.upsample = Upsample()

    def forward(self, h: Tensor, style: Tensor) -> Tensor:
        return self.upsample(self.change(h))


class StyledBlock(Block):
    """A block with norm sites, none of them after the last layer, which starts as 0."""

    def __init__(self, channels: int, sites: Sites, **options: Any) -> None:
        super().__init__(channels, **options)
        self.norm_widen = sites.norm(self.inner, nn.Identity())
        self.norm_mix = sites.norm(self.inner, nn.Identity())

    def forward(self, h: Tensor, style: Tensor) -> Tensor:  # type: ignore[override]
        inner = activate(self.norm_widen(self.widen(h), style))
        inner = activate(self.norm_mix(self.mix(inner), style))
        return h + self.narrow(inner)


@hookimpl
def register_generators() -> list[type[Generator]]:
    return [R3GANGenerator]
