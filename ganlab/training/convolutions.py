"""Convolutions between small feature maps, computed as matrix products.

On CPUs with AMX, oneDNN's bfloat16 convolutions use only part of the AMX tiles if the input or
output map is 4 x 4 or smaller, because their tiles extend along a row of the map. One matrix
product, whose rows are the windows of the whole batch, takes a third to a half of the time
(docs/benchmarks.md). The results differ only by rounding and are twice differentiable.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MAP = 4 * 4
"""The maximum number of pixels of the smaller map."""

CHANNELS = 128 * 256
"""The minimum product of input and output channels; below it, oneDNN is as fast."""


def as_products(network: nn.Module) -> None:
    """Make the convolutions of a network use matrix products where these are faster.

    Each call decides for itself. Outside bfloat16 autocast, the convolutions are unchanged.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d) and _suits(module):
            module.forward = partial(_forward, module)  # type: ignore[method-assign]


def _suits(module: nn.Conv2d | nn.ConvTranspose2d) -> bool:
    square = all(
        len(set(pair)) == 1 and isinstance(pair[0], int)
        for pair in (module.kernel_size, module.stride, module.padding)
    )
    return (
        square
        and module.groups == 1
        and set(module.dilation) == {1}
        and set(module.output_padding) == {0}
        and module.padding_mode == "zeros"
        and module.in_channels * module.out_channels >= CHANNELS
    )


def _forward(module: nn.Conv2d | nn.ConvTranspose2d, x: Tensor, *more: Any) -> Tensor:
    """Compute the module's forward pass, (N, I, H, W) to (N, O, H', W')."""
    forward: Callable[..., Tensor] = type(module).forward
    dtype = torch.get_autocast_dtype("cpu")
    in_bfloat16 = dtype == torch.bfloat16 and torch.is_autocast_enabled("cpu")
    if more or not in_bfloat16 or x.device.type != "cpu":
        return forward(module, x, *more)
    kernel, stride, padding = module.kernel_size[0], module.stride[0], int(module.padding[0])
    back = isinstance(module, nn.ConvTranspose2d)
    size = (
        [(side - 1) * stride - 2 * padding + kernel for side in x.shape[2:]]
        if back
        else [(side + 2 * padding - kernel) // stride + 1 for side in x.shape[2:]]
    )
    if min(size[0] * size[1], x.shape[2] * x.shape[3]) > MAP:
        return forward(module, x)
    geometry = (kernel, stride, padding)
    weight = module.weight.to(dtype)
    images: Tensor = (
        Spread.apply(x.to(dtype), weight, geometry, size)
        if back
        else Gather.apply(x.to(dtype), weight, geometry)
    )
    return images if module.bias is None else images + module.bias.to(dtype).view(1, -1, 1, 1)


# -------------------------------------------------------------------- three bilinear functions

Geometry = tuple[int, int, int]
"""Kernel size, stride and padding, each the same for height and width."""


class Gather(torch.autograd.Function):
    """x (N, I, H, W) and w (O, I, K, K) to (N, O, H', W'): a convolution."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor, geometry: Geometry) -> Tensor:
        ctx.save_for_backward(x, w)
        ctx.geometry = geometry
        windows, shape = _windows(x, geometry)
        return _images(windows @ _matrix(w).t(), shape)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (g,), (x, w) = gradients, ctx.saved_tensors
        of_x, of_w, _ = ctx.needs_input_grad
        return (
            Spread.apply(g, w, ctx.geometry, x.shape[2:]) if of_x else None,
            Match.apply(x, g, ctx.geometry) if of_w else None,
            None,
        )


class Spread(torch.autograd.Function):
    """y (N, O, H', W') and w (O, I, K, K) to (N, I, H, W): a transposed convolution."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, w: Tensor, geometry: Geometry, size: list[int]) -> Tensor:
        ctx.save_for_backward(y, w)
        ctx.geometry = geometry
        kernel, stride, padding = geometry
        (n, _, h, v), channels = y.shape, w.shape[1]
        windows = (_rows(y) @ _matrix(w)).view(n, h, v, kernel, kernel, channels)
        # Windows overlap: sum them in full precision and round once.
        shape = (n, size[0] + 2 * padding, size[1] + 2 * padding, channels)
        padded = torch.zeros(shape, dtype=torch.promote_types(y.dtype, torch.float32))
        for i in range(kernel):
            for j in range(kernel):
                padded[:, i : i + stride * h : stride, j : j + stride * v : stride] += windows[
                    :, :, :, i, j
                ]
        inner = padded[:, padding : padding + size[0], padding : padding + size[1]]
        return inner.to(y.dtype, memory_format=torch.contiguous_format).permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (g,), (y, w) = gradients, ctx.saved_tensors
        of_y, of_w, *_ = ctx.needs_input_grad
        return (
            Gather.apply(g, w, ctx.geometry) if of_y else None,
            Match.apply(g, y, ctx.geometry) if of_w else None,
            None,
            None,
        )


class Match(torch.autograd.Function):
    """x (N, I, H, W) and y (N, O, H', W') to (O, I, K, K): the gradient of a kernel."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, geometry: Geometry) -> Tensor:
        ctx.save_for_backward(x, y)
        ctx.geometry = geometry
        kernel = geometry[0]
        windows, _ = _windows(x, geometry)
        product = _rows(y).t() @ windows
        return product.view(y.shape[1], kernel, kernel, x.shape[1]).permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (g,), (x, y) = gradients, ctx.saved_tensors
        of_x, of_y, _ = ctx.needs_input_grad
        return (
            Spread.apply(y, g, ctx.geometry, x.shape[2:]) if of_x else None,
            Gather.apply(x, g, ctx.geometry) if of_y else None,
            None,
        )


def _windows(x: Tensor, geometry: Geometry) -> tuple[Tensor, tuple[int, int, int]]:
    """Return the windows of ``x`` as rows, (N H' W', K K I), and the sizes (N, H', W')."""
    kernel, stride, padding = geometry
    pixels = F.pad(x.permute(0, 2, 3, 1), (0, 0, padding, padding, padding, padding))
    windows = pixels.unfold(1, kernel, stride).unfold(2, kernel, stride)
    n, h, v, channels = windows.shape[:4]
    rows = windows.permute(0, 1, 2, 4, 5, 3).reshape(n * h * v, kernel * kernel * channels)
    return rows, (n, h, v)


def _rows(y: Tensor) -> Tensor:
    """Return the pixels as rows, (N H W, C)."""
    return y.permute(0, 2, 3, 1).reshape(-1, y.shape[1])


def _matrix(w: Tensor) -> Tensor:
    """Return the kernels as (O, K K I): a view if their memory format is channels last."""
    return w.permute(0, 2, 3, 1).reshape(w.shape[0], -1)


def _images(rows: Tensor, shape: tuple[int, int, int]) -> Tensor:
    return rows.view(*shape, rows.shape[1]).permute(0, 3, 1, 2)
