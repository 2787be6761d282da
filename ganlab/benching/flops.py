"""Count the floating-point operations of an iteration, and measure the machine's peak rate."""

from __future__ import annotations

import sys
import time
from collections import Counter
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from ganlab.benching.stopwatch import synchronize
from ganlab.benching.trial import Trial
from ganlab.training.precision import Choices, configure_torch

SMALLEST, LARGEST = 1024, 8192
ENOUGH_SECONDS = 0.3


@dataclass(frozen=True)
class Peak:
    """The rate of large matrix products in one precision: an upper bound for training."""

    precision: str
    size: int
    """Rows and columns of both matrices."""

    threads: int
    flops_per_second: float


def measure_peak(choices: Choices) -> Peak:
    """Measure the rate of square matrix products in the precision of the networks.

    The size is doubled until a product takes 10 ms.
    """
    configure_torch(choices, deterministic=False)
    dtype, size = choices.autocast or choices.dtype, SMALLEST
    while _seconds(size, 1, choices.device, dtype) < 0.01 and size < LARGEST:
        size *= 2
    count = 1 if choices.device.type == "cpu" else 10
    times: list[float] = []
    until = time.perf_counter() + ENOUGH_SECONDS
    while len(times) < 3 or time.perf_counter() < until:
        times.append(_seconds(size, count, choices.device, dtype) / count)
    return Peak(choices.precision, size, torch.get_num_threads(), 2 * size**3 / min(times))


def _seconds(size: int, count: int, device: torch.device, dtype: torch.dtype) -> float:
    a, b = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    out = a @ b
    synchronize(device)
    start = time.perf_counter()
    for _ in range(count):
        torch.mm(a, b, out=out)
    synchronize(device)
    return time.perf_counter() - start


def flops_per_step(trial: Trial) -> float:
    """Return the FLOPs of an iteration of D and G, forward and backward.

    Matrix products and convolutions are counted; a multiplication and an addition are two. The
    result is the mean over a period, so lazy terms count as often as they are computed.
    """
    before, total = trial.run.progress, 0
    indices = {_active_intervals(trial, step): step for step in reversed(range(trial.period))}
    counts = Counter(_active_intervals(trial, step) for step in range(trial.period))
    for active, step in indices.items():
        trial.run.progress = trial.progress_at(trial.period + step)
        counter = FlopCounter()
        with _uncompiled():
            trial.turn(1, inside=counter)
        total += counter.flops * counts[active]
    trial.run.progress = before
    return total / trial.period


class FlopCounter(TorchDispatchMode):
    """Counts FLOPs with PyTorch's own formulas.

    `torch.utils.flop_counter.FlopCounterMode` also counts per module, with hooks that fail with
    `torch.autograd.grad`, which gradient penalties call.
    """

    def __init__(self) -> None:
        super().__init__()
        self.flops = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        formula = flop_registry.get(func._overloadpacket)
        if formula is None:
            with self:  # count the operations that a composite operation consists of
                result = func.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
        result = func(*args, **kwargs)
        if formula is not None:
            self.flops += formula(*args, **kwargs, out_val=result)
        return result


def _active_intervals(trial: Trial, step: int) -> tuple[bool, ...]:
    """Return which lazy intervals are active in each update of an iteration."""
    d_steps = trial.options.d_steps
    updates = (step, *range(step * d_steps, (step + 1) * d_steps))
    return tuple(update % k == 0 for k in trial.intervals for update in updates)


def _uncompiled() -> Any:
    """Run compiled functions eagerly inside the context, so that operations can be counted."""
    if "torch._dynamo" not in sys.modules:  # importing it takes seconds
        return nullcontext()
    return torch.compiler.set_stance("force_eager")
