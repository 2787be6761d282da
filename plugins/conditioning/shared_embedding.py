"""A class embedding shared by all conditional normalisation layers of G."""

from __future__ import annotations

import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from ganlab import Conditioning, DataSpec, hookimpl, one_hot


class SharedEmbedding(Conditioning):
    """Use a learned class embedding as the style, instead of the one-hot label.

    The scheme has no normalisation layers of its own. Combine it with ``cbn``, ``adain`` or
    ``film``, whose gains and biases are then linear functions of the embedding.
    """

    name = "shared-embedding"
    paper = "Brock, Donahue & Simonyan, 2019, arXiv:1809.11096, section 3 and appendix B"

    size: PositiveInt = 128
    """Dimension of the embedding. 128 in the paper."""

    def style(self, z_dim: int, spec: DataSpec) -> nn.Module:
        return Style(spec.num_classes, self.size)


class Style(nn.Module):
    def __init__(self, num_classes: int, size: int) -> None:
        super().__init__()
        self.out_features = size
        # A plain parameter, which spectral normalisation of G skips: it would shrink the vectors
        # to norms below 1. BigGAN-PyTorch exempts the embedding because this harms G.
        self.table = nn.Parameter(torch.empty(num_classes, size))
        nn.init.orthogonal_(self.table)

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        return one_hot(y, len(self.table), dtype=self.table.dtype) @ self.table


@hookimpl
def register_conditionings() -> list[type[Conditioning]]:
    return [SharedEmbedding]
