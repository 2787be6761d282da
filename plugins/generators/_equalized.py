"""Layers with an equalized learning rate, as in StyleGAN2.

The weights are initialised from N(0, 1) and multiplied by the constant of He's initialisation in
each forward pass. Adam changes each weight by about the learning rate, whatever its magnitude, so
that all layers learn at the same relative speed (Karras et al., 2018, arXiv:1710.10196, section
4.1). The layers are not subclasses of ``nn.Linear`` and ``nn.Conv2d``, so that spectral
normalisation skips them: applied to the unscaled weights, it would make the gain of every layer
much smaller than 1.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, leaky_relu, linear


def activate(h: Tensor) -> Tensor:
    """Apply a leaky ReLU of slope 0.2 and multiply by sqrt(2), which preserves the variance."""
    return leaky_relu(h, 0.2) * math.sqrt(2)


class Linear(nn.Module):
    """(N, inputs) -> (N, outputs). ``lr`` multiplies the learning rate of weight and bias.

    ``bias`` is the initial value of the bias.
    """

    def __init__(self, inputs: int, outputs: int, *, lr: float = 1.0, bias: float = 0.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / lr)
        self.bias = nn.Parameter(torch.full((outputs,), bias / lr))
        self.lr = lr
        self.scale = lr / math.sqrt(inputs)

    def forward(self, h: Tensor) -> Tensor:
        return linear(h, self.scale * self.weight, self.lr * self.bias)


class Conv(nn.Module):
    """(N, inputs, H, W) -> (N, outputs, H / stride, W / stride)."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        *,
        stride: int = 1,
        padding: int | None = None,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.stride = stride
        self.padding = kernel // 2 if padding is None else padding
        self.scale = 1 / math.sqrt(inputs * kernel**2)

    def forward(self, h: Tensor) -> Tensor:
        weight = self.scale * self.weight
        return conv2d(h, weight, self.bias, stride=self.stride, padding=self.padding)
