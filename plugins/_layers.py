"""What residual networks of both kinds share: self-attention and how layers are initialised."""

from __future__ import annotations

from typing import Protocol, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d

from ganlab.errors import ConfigError, Problem
from ganlab.types import Role

Layer = TypeVar("Layer", nn.Conv2d, nn.Linear)


class Attention(nn.Module):
    """Self-attention over the places of a feature map: h (N, C, H, W) -> h + gate * o(h).

    Each place asks all others, which are max-pooled by two: softmax(query^T key) over places, not
    scaled, weighs the values. The gate is learned and starts at 0, so that the layer starts as the
    identity (Zhang et al., 2019, arXiv:1805.08318, equations 1 to 3). Queries and keys are C / 8
    wide as in the paper; pooling and values that are C / 2 wide are of the authors' code.
    """

    def __init__(self, channels: int, init: Init) -> None:
        super().__init__()
        narrow, half = max(1, channels // 8), max(1, channels // 2)
        self.query = init(nn.Conv2d(channels, narrow, 1, bias=False))
        self.key = init(nn.Conv2d(channels, narrow, 1, bias=False))
        self.value = init(nn.Conv2d(channels, half, 1, bias=False))
        self.out = init(nn.Conv2d(half, channels, 1, bias=False))
        self.gate = nn.Parameter(torch.zeros(()))

    def forward(self, h: Tensor) -> Tensor:
        query = self.query(h).flatten(2)  # (N, C/8, HW)
        key = max_pool2d(self.key(h), 2).flatten(2)  # (N, C/8, HW/4)
        value = max_pool2d(self.value(h), 2).flatten(2)  # (N, C/2, HW/4)
        # Written out: the fused kernels of torch have no gradient of a gradient.
        weights = torch.softmax(query.transpose(1, 2) @ key, dim=2)  # (N, HW, HW/4)
        seen = (value @ weights.transpose(1, 2)).unflatten(2, h.shape[2:])  # (N, C/2, H, W)
        return h + self.gate * self.out(seen)


def checked_resolution(resolution: int, allowed: list[int], role: Role) -> int:
    """Return the height at which attention acts, or refuse one that the network does not have."""
    if resolution not in allowed:
        sizes = ", ".join(map(str, sorted(set(allowed))))
        what = f"there is no feature map of {resolution} x {resolution}; there are {sizes}"
        raise ConfigError([Problem(f"{role}.attention", what)])
    return resolution


class Init(Protocol):
    """Initialises one layer, its weight ``gain`` times as large, and returns it."""

    def __call__(self, layer: Layer, /, *, gain: float = 1.0) -> Layer: ...


def glorot(layer: Layer, /, *, gain: float = 1.0) -> Layer:
    """Uniform of variance 2 gain^2 / (inputs + outputs), biases 0 (Glorot & Bengio, 2010)."""
    nn.init.xavier_uniform_(layer.weight, gain)
    return without_bias(layer)


def orthogonal(layer: Layer, /, *, gain: float = 1.0) -> Layer:
    """Orthogonal rows or columns, biases 0 (Saxe, McClelland & Ganguli, 2014, arXiv:1312.6120)."""
    nn.init.orthogonal_(layer.weight, gain)
    return without_bias(layer)


def without_bias(layer: Layer) -> Layer:
    """Set a layer's bias to 0, if it has one, and return the layer."""
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
