"""What the contrastive schemes share: images and classes as unit vectors in one space."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from ganlab import Embed, distributed, one_hot


class Embedded(NamedTuple):
    """A batch in the space of embeddings."""

    images: Tensor
    """(N, E) of length 1."""

    proxies: Tensor
    """(N, E) of length 1: the vector of each image's class."""


class Embeddings(nn.Module):
    """(h (N, features), y) -> `Embedded`; linear, or with a hidden ReLU layer."""

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
    """Return (n, N) how far a label agrees with those of the whole batch: 1 for one class, else 0.

    n are this process's and N those of all processes.
    """
    rows = one_hot(y, num_classes, dtype=dtype)
    return rows @ distributed.gather(rows).T
