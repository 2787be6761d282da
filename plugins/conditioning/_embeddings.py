"""Embeddings of images and classes, shared by the contrastive schemes."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from ganlab import Embed, distributed, one_hot


class Embedded(NamedTuple):
    """The embeddings of a batch: unit vectors of E elements."""

    images: Tensor
    """(N, E) The embedding of each image."""

    proxies: Tensor
    """(N, E) The embedding of each image's class."""


class Embeddings(nn.Module):
    """(h (N, features), y) -> `Embedded`: a linear projection, or an MLP with one ReLU layer."""

    def __init__(
        self, features: int, num_classes: int, size: int, *, hidden: int | None = None
    ) -> None:
        super().__init__()
        inner = [nn.Linear(features, hidden), nn.ReLU()] if hidden else []
        self.project = nn.Sequential(*inner, nn.Linear(hidden or features, size))
        self.embed = Embed(num_classes, size)

    def forward(self, h: Tensor, y: Tensor) -> Embedded:
        return Embedded(normalize(self.project(h), dim=1), normalize(self.embed(y), dim=1))


def agreement(y: Tensor, num_classes: int, *, dtype: torch.dtype) -> Tensor:
    """Return the agreement (n, N) of labels: 1 for two labels of the same class, else 0.

    n is the batch size of this process and N that of all processes together. For soft labels the
    agreement is the inner product of two rows of class weights.
    """
    rows = one_hot(y, num_classes, dtype=dtype)
    return rows @ distributed.gather(rows).T
