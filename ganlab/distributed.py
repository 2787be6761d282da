"""Operations on a whole batch when several processes share it, for plugins.

Each process has a slice of every batch and minimises the mean loss over its slice; the gradients
are averaged over the processes. A function of single images therefore needs nothing from this
module. A function of several images, such as a batch mean or all pairs, must use it, and every
process must make the same calls in the same order. All operations are twice differentiable. With
one process, they return their input unchanged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn.functional import dropout

from ganlab.errors import GanlabError, RunError

_single_process = False


def world_size() -> int:
    """Return the number of processes that share a batch."""
    return dist.get_world_size() if dist.is_initialized() and not _single_process else 1


def rank() -> int:
    """Return the index of this process, from 0. Only process 0 writes files."""
    return dist.get_rank() if dist.is_initialized() and not _single_process else 0


# --------------------------------------------------------------------------- a whole batch


def sum(x: Tensor) -> Tensor:  # noqa: A001  (as in torch.sum)
    """Return the elementwise sum of a tensor over all processes, in every process."""
    return x if world_size() == 1 else _Sum.apply(x)


def mean(x: Tensor) -> Tensor:
    """Return the elementwise mean of a tensor over all processes, in every process.

    The mean of a whole batch is ``mean(x.mean(0))``.
    """
    return x if world_size() == 1 else _Sum.apply(x) / world_size()


def std(x: Tensor) -> Tensor:
    """Return the standard deviation, 0-d, of all values of a whole batch, as ``x.std()``."""
    if world_size() == 1:
        return x.std()
    squares = sum((x - mean(x.mean())).square().sum())
    return (squares / (x.numel() * world_size() - 1)).sqrt()


def gather(x: Tensor) -> Tensor:
    """Return the whole batch (N, *), in order, from the slice ``x`` of each process."""
    return x if world_size() == 1 else _Gather.apply(x)


def local(x: Tensor, *, parts: int = 1) -> Tensor:
    """Return this process's slice of ``x`` (N, *), which belongs to a whole batch.

    With ``parts``, ``x`` consists of that many equal parts: the result is this process's slice of
    each part, concatenated. Raises `RunError` if N cannot be divided evenly.
    """
    count = world_size()
    if count == 1:
        return x
    if len(x) % (count * parts):
        raise RunError(f"{len(x)} images cannot be shared evenly by {count} processes")
    return x.unflatten(0, (parts, count, -1))[:, rank()].flatten(0, 1)


# ------------------------------------------------------------------------ random numbers


def randn_like(x: Tensor) -> Tensor:
    """Return standard normal numbers of the shape of ``x`` (N, *).

    Each process draws the numbers of the whole batch and keeps its own slice.
    """
    return torch.randn_like(x) if world_size() == 1 else local(_whole(x).normal_())


def rand_like(x: Tensor) -> Tensor:
    """Return uniform numbers in [0, 1) of the shape of ``x`` (N, *), as `randn_like` does."""
    return torch.rand_like(x) if world_size() == 1 else local(_whole(x).uniform_())


def dropout_like(x: Tensor, p: float) -> Tensor:
    """Return the dropout mask for ``x`` (N, *): 0 with probability p, otherwise 1 / (1 - p)."""
    return local(dropout(_whole(x).fill_(1), p))


def _whole(x: Tensor) -> Tensor:
    """Return an uninitialised tensor (N, *) for a whole batch, in the memory format of ``x``.

    The format matters because random numbers fill a tensor in memory order.
    """
    last = x.dim() == 4 and not x.is_contiguous()
    last = last and x.is_contiguous(memory_format=torch.channels_last)
    return torch.empty(
        (len(x) * world_size(), *x.shape[1:]),
        dtype=x.dtype,
        device=x.device,
        memory_format=torch.channels_last if last else torch.contiguous_format,
    )


# --------------------------------------------------------------------- a single process


@contextmanager
def single_process() -> Iterator[None]:
    """Make this process act as the only one, so that the others need not make the same calls."""
    global _single_process
    before, _single_process = _single_process, True
    try:
        yield
    finally:
        _single_process = before


# ------------------------------------------------------------------------------ messages


def _unexplained() -> GanlabError:
    return RunError("another process of this run has ended: repeat the command to go on")


_explain: Callable[[], GanlabError] = _unexplained


def explain_disconnects(explain: Callable[[], GanlabError]) -> None:
    """Set the function that returns the error to raise when a process is unreachable."""
    global _explain
    _explain = explain


@contextmanager
def disconnects_explained() -> Iterator[None]:
    """Convert a `RuntimeError` of torch.distributed to an error that gives the reason."""
    try:
        yield
    except RuntimeError as error:
        raise _explain() from error


class _Sum(torch.autograd.Function):
    """The sum over all processes. Its gradient is that of the sum of their losses."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        x = x.clone(memory_format=torch.contiguous_format)
        with disconnects_explained():
            dist.all_reduce(x)
        return x

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return _Sum.apply(gradient)


class _Gather(torch.autograd.Function):
    """The concatenation of all slices."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        x = x.contiguous()
        slices = [torch.empty_like(x) for _ in range(world_size())]
        with disconnects_explained():
            dist.all_gather(slices, x)
        return torch.cat(slices)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return local(_Sum.apply(gradient))
