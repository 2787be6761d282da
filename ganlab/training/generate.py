"""Drawing images from a network without leaving a trace in it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ganlab.seeds import derive_seed, seed_everything, seeded
from ganlab.step import full
from ganlab.types import DataSpec

Bn = Literal["running", "batch", "standing"]
BATCH = 256
"""Images that go through a network at once."""

STANDING_BATCHES = 100
"""Batches of 64 that standing statistics are gather_rows over."""

COLUMNS = 10
ROWS = 16
"""A sheet shows at most this many classes, evenly chosen."""


def noise(n: int, z_dim: int, seed: int) -> Tensor:
    """Return the n noise vectors (n, z_dim) of a seed: the same on every device."""
    generator = torch.Generator().manual_seed(derive_seed(seed, "noise"))
    return torch.randn(n, z_dim, generator=generator)


def sheet_inputs(spec: DataSpec, z_dim: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return noise and labels of a sheet: a class a row, the same ten noises in every row."""
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
) -> Tensor:
    """Return images (N, C, H, W) uint8 of noise (N, Z) and labels (N,).

    With ``bn="batch"`` batch normalisation uses the statistics of these images, all drawn at once;
    with ``"standing"`` the mean statistics of many batches with labels like these, as BigGAN does
    (Brock et al., 2019, arXiv:1809.11096, appendix C). The network's own stay as they are.
    ``truncation`` is the strength of `GeneratorNet.truncated`; None is for none. Of a part of the
    images ``first`` is the place of its first one, a multiple of `BATCH`: what the network draws
    itself depends on it alone.
    """
    weight = next(network.parameters())
    size = len(z) if bn == "batch" else BATCH
    images = []
    with (
        seeded(derive_seed(0, "draw"), weight.device),
        _drawing(network, bn, z, y, truncation) as drawer,
    ):
        parts = zip(z.split(size), y.split(size), strict=True)
        for number, (part_z, part_y) in enumerate(parts, start=first // BATCH):
            seed_everything(derive_seed(0, "draw", number), weight.device)
            x = drawer(part_z.to(weight), part_y.to(weight.device), *_given(truncation))
            images.append(quantise(x).cpu())
    return torch.cat(images)


def quantise(x: Tensor) -> Tensor:
    """Round images in [-1, 1] to uint8 in 0..255."""
    return ((full(x) + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def _given(truncation: float | None) -> tuple[float, ...]:
    return () if truncation is None else (truncation,)


@contextmanager
def _drawing(
    network: nn.Module, bn: Bn, z: Tensor, y: Tensor, truncation: float | None
) -> Iterator[nn.Module]:
    """Lend the network in eval mode, or a copy of it with other statistics."""
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
    """Return a copy in eval mode whose normalisation has the mean statistics of many batches."""
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
    """Yield the noise and the labels of standing statistics; the labels in turn, after a shuffle.

    Labels often come sorted, and batches of a single class would say little of the whole.
    """
    generator = torch.Generator().manual_seed(derive_seed("standing"))
    labels = labels[torch.randperm(len(labels), generator=generator)]
    for batch in range(STANDING_BATCHES):
        at = torch.arange(64 * batch, 64 * (batch + 1)) % len(labels)
        yield noise(64, z_dim, derive_seed("standing", batch)), labels[at]
