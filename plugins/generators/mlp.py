"""A generator of fully connected layers, as in the original conditional GAN."""

from __future__ import annotations

import math

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from ganlab import DataSpec, Generator, GeneratorNet, Latents, Sites, hookimpl
from ganlab.nn import BatchNorm


class MLPGenerator(Generator):
    """Linear layers with batch normalisation (a norm site) and ReLU."""

    name = "mlp"
    paper = "Mirza & Osindero, 2014, arXiv:1411.1784, section 4.1"
    for_tests = {"widths": [16, 8]}

    widths: list[PositiveInt] = Field(default=[256, 512, 1024], min_length=1)
    """Number of units of each hidden layer, from the noise to the image."""

    def build(self, z_dim: int, spec: DataSpec, sites: Sites) -> GeneratorNet:
        return Net(self.widths, z_dim, spec, sites)


class Net(GeneratorNet):
    def __init__(self, widths: list[int], z_dim: int, spec: DataSpec, sites: Sites) -> None:
        super().__init__()
        self.latent = sites.latent(z_dim)
        self.style = sites.style(z_dim)
        self.shape = (spec.channels, spec.image_size, spec.image_size)
        inputs = [self.latent.out_features, *widths]
        self.hidden = nn.ModuleList(nn.Linear(i, o) for i, o in zip(inputs, widths, strict=False))
        self.norms = nn.ModuleList(sites.norm(width, BatchNorm(width)) for width in widths)
        self.last = nn.Linear(widths[-1], math.prod(self.shape))

    def synthesize(self, latents: Latents) -> Tensor:
        h = latents.w
        for linear, norm in zip(self.hidden, self.norms, strict=True):
            h = torch.relu(norm(linear(h), latents.style))
        return torch.tanh(self.last(h)).view(-1, *self.shape)


@hookimpl
def register_generators() -> list[type[Generator]]:
    return [MLPGenerator]
