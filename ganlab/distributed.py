"""What a plugin needs that looks at a batch as a whole, when several processes share the batch.

Each process has its slice of every batch, and what it minimises is the mean over its slice;
gradients are averaged. So whatever is a function of one image needs nothing from here. What is a
function of several, such as a batch's mean or all its pairs, asks the other processes, and every
process must ask alike. All of it can be differentiated, twice too, and with one process a tensor
comes back as it is.
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
    """Return how many processes share a batch."""
    return dist.get_world_size() if dist.is_initialized() and not _single_process else 1


def rank() -> int:
    """Return the number of this process, from 0. The first one alone writes."""
    return dist.get_rank() if dist.is_initialized() and not _single_process else 0


# --------------------------------------------------------------------------- a whole batch


def sum(x: Tensor) -> Tensor:  # noqa: A001  (as in torch.sum)
    """Return the sum of a tensor over all processes, in every one of them."""
    return x if world_size() == 1 else _Sum.apply(x)


def mean(x: Tensor) -> Tensor:
    """Return the mean of a tensor over all processes: ``mean(x.mean(0))`` for a whole batch."""
    return x if world_size() == 1 else _Sum.apply(x) / world_size()


def std(x: Tensor) -> Tensor:
    """Return the standard deviation, 0-d, of all numbers of a whole batch, as ``x.std()``."""
    if world_size() == 1:
        return x.std()
    squares = sum((x - mean(x.mean())).square().sum())
    return (squares / (x.numel() * world_size() - 1)).sqrt()


def gather(x: Tensor) -> Tensor:
    """Return (N, *) of a whole batch from each process's slice of it, in the batch's order."""
    return x if world_size() == 1 else _Gather.apply(x)


def local(x: Tensor, *, parts: int = 1) -> Tensor:
    """Return this process's slice of (N, *), where ``x`` is of a whole batch.

    With ``parts`` it is a slice of each of them, one behind the other. Raises `RunError` if N
    cannot be shared evenly.
    """
    count = world_size()
    if count == 1:
        return x
    if len(x) % (count * parts):
        raise RunError(f"{len(x)} images cannot be shared evenly by {count} processes")
    return x.unflatten(0, (parts, count, -1))[:, rank()].flatten(0, 1)


# ------------------------------------------------------------------------ random numbers


def randn_like(x: Tensor) -> Tensor:
    """Return standard normal numbers like ``x`` (N, *): this process's of a whole batch's."""
    return torch.randn_like(x) if world_size() == 1 else local(_whole(x).normal_())


def rand_like(x: Tensor) -> Tensor:
    """Return uniform numbers in [0, 1) like ``x`` (N, *): this process's of a whole batch's."""
    return torch.rand_like(x) if world_size() == 1 else local(_whole(x).uniform_())


def dropout_like(x: Tensor, p: float) -> Tensor:
    """Return what dropout multiplies ``x`` (N, *) by: 0 for a share p, 1 / (1 - p) else."""
    return local(dropout(_whole(x).fill_(1), p))


def _whole(x: Tensor) -> Tensor:
    """Return an empty tensor (N, *) for a whole batch, in memory as ``x`` is.

    Random numbers come in the order of memory.
    """
    last = x.dim() == 4 and not x.is_contiguous()
    last = last and x.is_contiguous(memory_format=torch.channels_last)
    return torch.empty(
        (len(x) * world_size(), *x.shape[1:]),
        dtype=x.dtype,
        device=x.device,
        memory_format=torch.channels_last if last else torch.contiguous_format,
    )


# ---------------------------------------------------------------------------- by oneself


@contextmanager
def single_process() -> Iterator[None]:
    """Inside, this process shares nothing with the others, which may do something else."""
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
    """Set what says why the others can no longer be reached."""
    global _explain
    _explain = explain


@contextmanager
def disconnects_explained() -> Iterator[None]:
    """Turn what torch raises inside, when others can no longer be reached, into why."""
    try:
        yield
    except RuntimeError as error:
        raise _explain() from error


class _Sum(torch.autograd.Function):
    """The sum over all processes. Its gradient is that of the sum of what they minimise."""

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
    """All slices, one behind the other."""

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
