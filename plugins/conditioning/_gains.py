"""The initial conditional gains and biases of the schemes at the norm sites."""

from __future__ import annotations

from pydantic import PositiveFloat
from torch import nn

from ganlab import Conditioning, DataSpec

ONE_HOT_STD = 0.3
VECTOR_STD = 0.02


class Gains(Conditioning):
    """Base class of schemes with gains and biases that are linear in the style."""

    std: PositiveFloat | None = None
    """Standard deviation of the initial weights of gamma and beta. null: 0.3 if the style has one
    element per class, as a one-hot label, 0.02 otherwise. Papers use 0 or 0.02."""

    def linear(
        self, style_dim: int, channels: int, spec: DataSpec, *, bias: bool = True
    ) -> nn.Linear:
        """Return a layer (N, style_dim) -> (N, channels) for gamma or beta. Its bias starts at 0.

        A one-hot label selects one weight per channel, whereas a vector sums over all its elements.
        With 0.02, the classes differ by only 0.02 after a normalisation to unit variance, and a
        small G learns the label long after the images (docs/benchmarks.md).
        """
        std = self.std
        if std is None:
            std = ONE_HOT_STD if style_dim == spec.num_classes else VECTOR_STD
        layer = nn.Linear(style_dim, channels, bias=bias)
        nn.init.normal_(layer.weight, std=std)
        if bias:
            nn.init.zeros_(layer.bias)
        return layer
