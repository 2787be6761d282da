"""The label as one learned additional channel of D's image."""

from __future__ import annotations

import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from ganlab import Conditioning, DataSpec, Embed, hookimpl


class EmbeddingPlane(Conditioning):
    """Concatenate a learned plane per class to D's image, as one additional channel."""

    name = "embedding-plane"
    paper = "Denton et al., 2015, arXiv:1506.05751, section 3 (one-hot label, linear layer, plane)"

    embedding: PositiveInt | None = None
    """Length of a learned vector per class that a linear layer maps to the plane. null: learn the
    pixels of the planes directly."""

    def image(self, channels: int, spec: DataSpec) -> nn.Module:
        return Plane(channels, spec, self.embedding)


class Plane(nn.Module):
    def __init__(self, channels: int, spec: DataSpec, embedding: int | None) -> None:
        super().__init__()
        self.out_channels = channels + 1
        self.size = spec.image_size
        pixels = self.size**2
        self.embed = Embed(spec.num_classes, embedding or pixels)
        self.draw = nn.Linear(embedding, pixels) if embedding else nn.Identity()

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        plane = self.draw(self.embed(y)).view(-1, 1, self.size, self.size)
        return torch.cat([x, plane.to(x.dtype)], dim=1)


@hookimpl
def register_conditionings() -> list[type[Conditioning]]:
    return [EmbeddingPlane]
