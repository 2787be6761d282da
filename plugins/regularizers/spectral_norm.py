"""Spectral normalisation of D, of G, or of both."""

from __future__ import annotations

from typing import Literal, NoReturn

from pydantic import PositiveInt
from torch import nn
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import spectral_norm

from ganlab import DataSpec, Regularizer, hookimpl
from ganlab.errors import ConfigError, Problem
from ganlab.types import Role

LAYERS = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear, nn.Embedding)


class SpectralNorm(Regularizer):
    """Divide every weight matrix by its largest singular value, estimated by power iteration."""

    name = "spectral-norm"
    paper = "Miyato et al., 2018, arXiv:1802.05957, algorithm 1"

    network: Literal["discriminator", "generator", "both"] = "discriminator"
    """Network to normalise: all of its convolutions, linear layers and embeddings."""

    iterations: PositiveInt = 1
    """Number of power iterations per forward pass in training mode. 1 in the paper."""

    def transform(self, network: nn.Module, role: Role, spec: DataSpec) -> nn.Module:
        if self.network not in (role, "both"):
            return network
        layers = [(name, m) for name, m in network.named_modules() if isinstance(m, LAYERS)]
        covered = {layer.weight for _, layer in layers}
        for name, parameter in network.named_parameters():
            if parameter.dim() == 4 and min(parameter.shape[:2]) > 1 and parameter not in covered:
                _refuse(f"the {role} has custom convolutions, such as '{name}'")
        for name, layer in layers:
            # The check before a run builds networks on the meta device, without values.
            if not layer.weight.is_meta and not layer.weight.any():
                _refuse(f"'{name}' of the {role} is initialised to zero: its norm is zero")
            if not parametrize.is_parametrized(layer):
                spectral_norm(layer, n_power_iterations=self.iterations)
        return network


def _refuse(what: str) -> NoReturn:
    raise ConfigError([Problem("regularizers", f"'{SpectralNorm.name}' cannot be used: {what}")])


@hookimpl
def register_regularizers() -> list[type[Regularizer]]:
    return [SpectralNorm]
