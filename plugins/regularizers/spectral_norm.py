"""Spectral normalisation of D, of G, or of both."""

from __future__ import annotations

from typing import Literal

from pydantic import PositiveInt
from torch import nn
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import spectral_norm

from ganlab import DataSpec, Regularizer, hookimpl
from ganlab.step import Role


class SpectralNorm(Regularizer):
    """Every weight matrix is divided by its largest singular value, found by power iteration."""

    name = "spectral-norm"
    paper = "Miyato et al., 2018, arXiv:1802.05957, algorithm 1"

    network: Literal["discriminator", "generator", "both"] = "discriminator"
    """Which network is normalised: every convolution, linear layer and embedding in it."""

    iterations: PositiveInt = 1
    """Power iterations at each pass in training."""

    def transform(self, network: nn.Module, role: Role, spec: DataSpec) -> nn.Module:
        if self.network in (role, "both"):
            layers = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear, nn.Embedding)
            for layer in [m for m in network.modules() if isinstance(m, layers)]:
                if not parametrize.is_parametrized(layer):
                    spectral_norm(layer, n_power_iterations=self.iterations)
        return network


@hookimpl
def register_regularizers() -> list[type[Regularizer]]:
    return [SpectralNorm]
