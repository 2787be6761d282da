"""Generate images with a network, and leave the network and random states unchanged."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ganlab.events import Tell, ignore, phase
from ganlab.seeds import derive_seed, seed_everything, seeded, torch_states
from ganlab.step import full
from ganlab.types import DataSpec

Bn = Literal["running", "batch", "standing"]
BATCH = 256
"""The number of images per forward pass."""

NOISE_BLOCK = 256
"""The number of noise rows per seed block. Changing it changes the noise."""

STANDING_BATCHES = 100
"""The number of batches of 64 images over which standing statistics are averaged."""

COLUMNS = 10
ROWS = 16
"""The maximum number of classes on a sample sheet; more classes are subsampled evenly."""


def noise(n: int, z_dim: int, seed: int, *, first: int = 0) -> Tensor:
    """Return n rows of the noise of a seed, from row ``first``: normal, (n, z_dim) float32.

    Row i depends on ``seed``, i and ``z_dim`` only, not on ``n``, ``first`` or the device. The
    tensor is on the CPU. ``seed`` is any integer, negative ones included.

    Each block of rows has its own seed, so that drawing a part does not need the rows before it.
    `torch.randn` is unsuitable, because its last values depend on the size. NumPy guarantees that
    the stream of `RandomState` never changes (NEP 19).
    """
    begin, end = first // NOISE_BLOCK, (first + n) // NOISE_BLOCK + 1
    blocks = [
        _noise_block(derive_seed(seed, "noise", number), z_dim) for number in range(begin, end)
    ]
    start = first - begin * NOISE_BLOCK
    return torch.from_numpy(np.concatenate(blocks)[start : start + n])


def _noise_block(seed: int, z_dim: int) -> np.ndarray:
    words = [seed >> 32, seed & 0xFFFFFFFF]  # RandomState takes integers of 32 bits
    return np.random.RandomState(words).standard_normal((NOISE_BLOCK, z_dim)).astype(np.float32)


def sheet_inputs(spec: DataSpec, z_dim: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return noise (N, z_dim) and labels (N,) of a sample sheet.

    Each row is a class, and all rows use the same ten noise vectors.
    """
    rows = min(spec.num_classes, ROWS)
    classes = torch.linspace(0, spec.num_classes - 1, rows).round().long()
    return noise(COLUMNS, z_dim, seed).repeat(rows, 1), classes.repeat_interleave(COLUMNS)


@torch.no_grad()
def generate_images(
    network: nn.Module,
    z: Tensor,
    y: Tensor,
    *,
    bn: Bn = "running",
    truncation: float | None = None,
    first: int = 0,
    tell: Tell = ignore,
) -> Tensor:
    """Return images (N, C, H, W) uint8 in 0..255, on the CPU, for noise and labels.

    Args:
        network: maps noise (N, Z), labels and, with ``truncation``, its strength to images in
            [-1, 1]. Its modes and statistics and all random states are restored afterwards.
        z: noise (N, Z).
        y: class indices (N,) int64, or rows (N, K) float.
        bn: the statistics that batch normalisation uses: ``running``, those of the network;
            ``batch``, those of these images, in one batch; ``standing``, the mean over many
            batches with labels like these, as in BigGAN (Brock et al., 2019, arXiv:1809.11096,
            appendix C).
        truncation: the strength of `GeneratorNet.truncated`; None for no truncation.
        first: the index of the first image, a multiple of `BATCH`, to draw a part of many images.
        tell: receives events.

    With ``running`` statistics, image i depends on its noise, its label and, if the network draws
    random numbers itself, on i. It does not depend on the number of images, except that products of
    matrices round differently for batches of different sizes: a pixel may change by one grey level.
    """
    weight = next(network.parameters())
    size = len(z) if bn == "batch" else BATCH
    images = []
    with (
        seeded(derive_seed(0, "draw"), weight.device),
        _drawing(network, bn, z, y, truncation) as drawer,
        phase(tell, "generating", total=len(z), unit="images") as generating,
    ):
        parts = zip(z.split(size), y.split(size), strict=True)
        for number, (part_z, part_y) in enumerate(parts, start=first // BATCH):
            inputs = part_z.to(weight), part_y.to(weight.device)
            x = _draw(drawer, *inputs, derive_seed(0, "draw", number), size, truncation)
            images.append(quantise(x).cpu())
            generating.advance(len(x))
    return torch.cat(images)


def _draw(
    network: nn.Module, z: Tensor, y: Tensor, seed: int, size: int, truncation: float | None
) -> Tensor:
    """Return images (N, C, H, W) of a batch of up to ``size``.

    The random numbers of a network that draws its own depend on the batch size. For such a network,
    a smaller batch is generated again as part of a full one.
    """
    seed_everything(seed, z.device)
    before = torch_states(z.device)
    images: Tensor = network(z, y, *_given(truncation))
    if len(z) == size or all(map(torch.equal, before, torch_states(z.device))):
        return images
    rows = torch.arange(size).clamp(max=len(z) - 1)
    seed_everything(seed, z.device)
    padded: Tensor = network(z[rows], y[rows], *_given(truncation))
    return padded[: len(z)]


def quantise(x: Tensor) -> Tensor:
    """Round images in [-1, 1] to uint8 in 0..255."""
    return ((full(x) + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def _given(truncation: float | None) -> tuple[float, ...]:
    return () if truncation is None else (truncation,)


@contextmanager
def _drawing(
    network: nn.Module, bn: Bn, z: Tensor, y: Tensor, truncation: float | None
) -> Iterator[nn.Module]:
    """Yield the network in eval mode, or a copy with the requested statistics."""
    if bn == "standing":
        yield _with_standing_statistics(network, z.shape[1], y, truncation)
        return
    if bn == "batch":
        network = copy.deepcopy(network).eval()
        for module in network.modules():
            if isinstance(module, _BatchNorm):
                module.train()
        yield network
        return
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield network
    finally:
        for module, mode in modes:
            module.training = mode


def _with_standing_statistics(
    network: nn.Module, z_dim: int, labels: Tensor, truncation: float | None
) -> nn.Module:
    """Return a copy in eval mode with batch statistics averaged over many batches."""
    network = copy.deepcopy(network).eval()
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm)]
    if not norms:
        return network
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over all batches
        norm.train()
    weight = next(network.parameters())
    for z, y in standing_batches(z_dim, labels.cpu()):
        network(z.to(weight), y.to(weight.device), *_given(truncation))
    return network.eval()


def standing_batches(z_dim: int, labels: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield noise and labels for standing statistics, cycling through the shuffled labels.

    Labels are often sorted, and the statistics of a batch of one class are not representative.
    """
    generator = torch.Generator().manual_seed(derive_seed("standing"))
    labels = labels[torch.randperm(len(labels), generator=generator)]
    for batch in range(STANDING_BATCHES):
        at = torch.arange(64 * batch, 64 * (batch + 1)) % len(labels)
        yield noise(64, z_dim, derive_seed("standing", batch)), labels[at]
