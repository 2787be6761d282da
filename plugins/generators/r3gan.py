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
    """ResNeXt blocks without normalisation, from a learned 4 x 4 basis to the image.

    The paper conditions G at the latent site: the scheme ``concat`` with ``embedding: 64``
    concatenates a learned vector to z. A scheme that claims the norm site acts before both
    activations of each block. The output has no tanh: as in the paper, pixels may leave [-1, 1].
    They are clamped when images are saved or scored.
    """

    name = "r3gan"
    paper = "Huang et al., 2024, arXiv:2501.05441, figure 2c (config E)"
    for_tests = {"width": 8, "group_size": 4}

    width: PositiveInt = 768
    """Number of channels of the stages up to 32 x 32. It is halved at each larger size."""

    blocks: PositiveInt = 2
    """Number of residual blocks per stage."""

    expansion: PositiveInt = 2
    """Ratio of the hidden channels of a block to its input channels."""

    group_size: PositiveInt = 16
    """Number of channels per group in the 3 x 3 convolutions. If it does not divide the hidden
    channels, their greatest common divisor is used."""

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
    """Change the number of channels, then upsample by two: (h, style) -> h. style is ignored."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.change = change(before, after)
        self.upsample = Upsample()

    def forward(self, h: Tensor, style: Tensor) -> Tensor:
        return self.upsample(self.change(h))


class StyledBlock(Block):
    """A block with norm sites after its first two convolutions: (h, style) -> h.

    The last convolution has no norm site, because it starts at zero.
    """

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
