"""Orthogonal regularization, in the relaxed form of BigGAN."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ganlab import Penalty, Regularizer, Step, hookimpl
from ganlab.schedules import Weight


class Orthogonal(Penalty):
    """Keep different filters of a layer orthogonal, without a constraint on their norms.

    weight * sum |W W^T * (1 - I)|_F^2, where W (out, in * height * width) is the weight of a
    convolution or linear layer before any spectral normalisation. Embeddings are excluded, as in
    BigGAN.
    """

    name = "orthogonal"
    paper = "Brock, Donahue & Simonyan, 2019, arXiv:1809.11096, equation 3"

    weight: Weight = 1e-4
    """Weight of the term (beta): a number or a schedule. BigGAN-PyTorch computes half of this
    gradient: 1e-4 there corresponds to 5e-5 here."""

    network: Literal["generator", "discriminator", "both"] = "generator"
    """Network whose weights are regularised. The paper regularises G."""

    def d_terms(self, step: Step, state: nn.Module | None) -> dict[str, Tensor]:
        return self._terms(step, step.D)

    def g_terms(self, step: Step, state: nn.Module | None) -> dict[str, Tensor]:
        return self._terms(step, step.G)

    def _terms(self, step: Step, network: nn.Module) -> dict[str, Tensor]:
        if self.network not in (step.role, "both"):
            return {}
        total = step.now(0.0)
        for rows in filters(network):
            products = rows @ rows.T
            total = total + (products - torch.diag(products.diagonal())).square().sum()
        return {"orthogonal": step.now(self.weight) * total}


def filters(network: nn.Module) -> Iterator[Tensor]:
    """Yield the weight of each layer as a matrix (out, in * height * width)."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            weight = layer.weight
            if parametrize.is_parametrized(layer, "weight"):
                weight = layer.parametrizations.weight.original  # type: ignore[union-attr, assignment]
            if isinstance(layer, nn.ConvTranspose2d):  # its weight is (in, out, height, width)
                weight = weight.transpose(0, 1)
            yield weight.flatten(1)


@hookimpl
def register_regularizers() -> list[type[Regularizer]]:
    return [Orthogonal]
