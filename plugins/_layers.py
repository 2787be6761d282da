"""Self-attention and weight initialisation, shared by residual generators and discriminators."""

from __future__ import annotations

from typing import Protocol, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d

from ganlab.errors import ConfigError, Problem
from ganlab.types import Role

Layer = TypeVar("Layer", nn.Conv2d, nn.Linear)


class Attention(nn.Module):
    """Self-attention over the positions of a feature map: h (N, C, H, W) -> h + gate * o(h).

    The attention weights are softmax(query^T key) over positions, without scaling. Keys and values
    are max-pooled by two. The gate is a learned scalar that starts at 0, so that the layer starts
    as the identity (Zhang et al., 2019, arXiv:1805.08318, equations 1 to 3). Queries and keys have
    C / 8 channels as in the paper. The pooling and values of C / 2 channels follow the authors'
    code.
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
        # Written out, because the fused kernels of torch have no double backward.
        weights = torch.softmax(query.transpose(1, 2) @ key, dim=2)  # (N, HW, HW/4)
        attended = (value @ weights.transpose(1, 2)).unflatten(2, h.shape[2:])  # (N, C/2, H, W)
        return h + self.gate * self.out(attended)


def checked_resolution(resolution: int, allowed: list[int], role: Role) -> int:
    """Return ``resolution``, the height of the feature map for attention.

    Raises ConfigError if the network has no feature map of this height.
    """
    if resolution not in allowed:
        sizes = ", ".join(map(str, sorted(set(allowed))))
        message = f"there is no feature map of {resolution} x {resolution}; there are {sizes}"
        raise ConfigError([Problem(f"{role}.attention", message)])
    return resolution


class Init(Protocol):
    """Initialises one layer, scales its weight by ``gain``, and returns it."""

    def __call__(self, layer: Layer, /, *, gain: float = 1.0) -> Layer: ...


def glorot(layer: Layer, /, *, gain: float = 1.0) -> Layer:
    """Initialise a layer with Glorot's uniform distribution and zero biases, and return it.

    The variance is 2 gain^2 / (fan_in + fan_out) (Glorot & Bengio, 2010).
    """
    nn.init.xavier_uniform_(layer.weight, gain)
    return with_zero_bias(layer)


def orthogonal(layer: Layer, /, *, gain: float = 1.0) -> Layer:
    """Initialise a layer with an orthogonal weight matrix and zero biases, and return it.

    Saxe, McClelland & Ganguli, 2014, arXiv:1312.6120.
    """
    nn.init.orthogonal_(layer.weight, gain)
    return with_zero_bias(layer)


def with_zero_bias(layer: Layer) -> Layer:
    """Set a layer's bias to 0, if it has a bias, and return the layer."""
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
