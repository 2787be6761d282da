"""One vector for each class that all normalisations of G share."""

from __future__ import annotations

import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from ganlab import Conditioning, DataSpec, hookimpl, one_hot


class SharedEmbedding(Conditioning):
    """The style is a learned vector of the class instead of the label itself.

    It brings no normalisation of its own: use it beside ``cbn``, ``adain`` or ``film``, whose
    gains and biases are then linear in the vector.
    """

    name = "shared-embedding"
    paper = "Brock, Donahue & Simonyan, 2019, arXiv:1809.11096, section 3 and appendix B"

    size: PositiveInt = 128
    """Length of the vectors."""

    def style(self, z_dim: int, spec: DataSpec) -> nn.Module:
        return Style(spec.num_classes, self.size)


class Style(nn.Module):
    def __init__(self, num_classes: int, size: int) -> None:
        super().__init__()
        self.out_features = size
        # No embedding layer: spectral normalisation of G would cut its vectors to lengths below
        # 1, and the authors' BigGAN-PyTorch exempts them as that cripples G.
        self.table = nn.Parameter(torch.empty(num_classes, size))
        nn.init.orthogonal_(self.table)

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        return one_hot(y, len(self.table), dtype=self.table.dtype) @ self.table


@hookimpl
def register_conditionings() -> list[type[Conditioning]]:
    return [SharedEmbedding]
