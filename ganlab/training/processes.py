"""Training with several processes that share every batch. With one process, nothing changes.

Every process builds the same networks, draws the same data order and random numbers for the whole
batch, takes its slice of both, and updates with the mean of all gradients, so that the weights stay
equal. Only the main process, rank 0, writes files and sample sheets; all processes share scoring.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial, wraps
from typing import ParamSpec, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from ganlab import distributed
from ganlab.config.experiment import Train
from ganlab.errors import ConfigError, DataError, PluginError, Problem, RunError
from ganlab.run_directory import Clock
from ganlab.step import full

P = ParamSpec("P")
Q = TypeVar("Q")
T = TypeVar("T")

PATIENCE = timedelta(days=1)
"""The timeout of collective operations: the main process may score for hours."""

_hosts: list[dist.ProcessGroup] = []


def host_group() -> dist.ProcessGroup:
    """Return the process group for messages between CPUs, which do not wait for a GPU."""
    if not _hosts:
        group = dist.new_group(backend="gloo", timeout=PATIENCE)
        assert isinstance(group, dist.ProcessGroup)  # otherwise this process is not a member
        _hosts.append(group)
    return _hosts[0]


def forget_host_group() -> None:
    """Forget the host group, after torch has destroyed all groups."""
    _hosts.clear()


# ----------------------------------------------------------------------- the main process


def on_main_process(act: Callable[P, object]) -> Callable[P, None]:
    """Decorate a function to run in the main process only; the others continue without it."""

    @wraps(act)
    def acting(*args: P.args, **kwargs: P.kwargs) -> None:
        if distributed.rank() == 0:
            with distributed.single_process():
                act(*args, **kwargs)

    return acting


def from_main_process(find: Callable[[], T]) -> T:
    """Call ``find`` in the main process, and return its result in every process."""
    if distributed.world_size() == 1:
        return find()
    found: T | None = None
    if distributed.rank() == 0:
        with distributed.single_process():
            found = find()
    return _broadcast(found)  # type: ignore[return-value]


def wait_for_everyone() -> None:
    """Wait until every process has reached this call."""
    if distributed.world_size() > 1:
        with distributed.disconnects_explained():
            dist.barrier(group=host_group())


def run_on_main_process(
    act: Callable[[Callable[[Q], list[T]]], None], answer: Callable[[Q], T]
) -> None:
    """Run ``act`` in the main process, and let it call ``answer`` in every process.

    ``act`` receives a function of a question. The function calls ``answer(question)`` in each
    process and returns the results in rank order, or raises the first `DataError` of any process.
    A question must not be None.
    """
    if distributed.world_size() == 1:
        act(lambda question: [answer(question)])
    elif distributed.rank() == 0:
        with distributed.single_process():
            act(partial(_asked, answer))
            _broadcast(None)
    else:
        while (question := _broadcast(None)) is not None:
            _answers(question, answer)


def _asked(answer: Callable[[Q], T], question: Q) -> list[T]:
    _broadcast(question)
    answers: list[T] = []
    for one in _answers(question, answer):
        if isinstance(one, DataError):
            raise one
        answers.append(one)
    return answers


def _broadcast(value: T) -> T:
    """Return the value of the main process in every process."""
    message = [value]
    with distributed.disconnects_explained():
        dist.broadcast_object_list(message, src=0, group=host_group())
    return message[0]


def _answers(question: Q, answer: Callable[[Q], T]) -> list[T | DataError]:
    """Return all answers in the main process, and an empty list in the others."""
    ours: T | DataError
    try:
        with distributed.single_process():
            ours = answer(question)
    except DataError as error:
        ours = error
    first = dist.get_rank() == 0
    found: list[T | DataError] = [ours] * dist.get_world_size() if first else []
    with distributed.disconnects_explained():
        dist.gather_object(ours, found if first else None, dst=0, group=host_group())
    return found


@contextmanager
def local_main_process_first() -> Iterator[None]:
    """Run the block in one process of each machine first, so that it fills the caches."""
    ahead = distributed.world_size() == 1 or os.environ["LOCAL_RANK"] == "0"
    if not ahead:
        wait_for_everyone()
    yield
    if ahead:
        wait_for_everyone()


# ---------------------------------------------------------------------------- consistency


def check_batch_split(options: Train, *, count: int | None = None) -> None:
    """Raise an error if ``count`` processes, by default the running ones, cannot split a batch."""
    count = count or distributed.world_size()
    share, rest = divmod(options.batch_size, options.accumulate * count)
    parts = f" in {options.accumulate} parts" if options.accumulate > 1 else ""
    what = f"{options.batch_size} images{parts} cannot be shared evenly by {count} processes"
    if rest:
        raise ConfigError([Problem("train.batch_size", what)])
    if share < 2 and not options.sync_bn and count > 1:
        what = f"{what.replace('evenly ', '')}: without sync_bn each needs two or more"
        raise ConfigError([Problem("train.batch_size", what)])


def check_same_start(modules: dict[str, nn.Module], *, about: str) -> None:
    """Raise `RunError` if the initial weights or ``about`` differ between processes."""
    if distributed.world_size() == 1:
        return
    digest = hashlib.sha256(about.encode())
    for name, module in modules.items():
        for key, value in module.state_dict().items():
            digest.update(f"{name}/{key}".encode())
            digest.update(value.cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    found: list[str] = [""] * distributed.world_size()
    with distributed.disconnects_explained():
        dist.all_gather_object(found, digest.hexdigest(), group=host_group())
    if len(set(found)) > 1:
        others = ", ".join(str(rank) for rank, one in enumerate(found) if one != found[0])
        raise RunError(
            f"process {others} does not start from the weights, data and settings of process 0: "
            "give all machines the same versions of everything"
        )


def average_gradients(optimizer: torch.optim.Optimizer) -> None:
    """Replace the gradients by their means over all processes, in one message."""
    if distributed.world_size() == 1:
        return
    gradients = [p.grad for group in optimizer.param_groups for p in group["params"]]
    gradients = [gradient for gradient in gradients if gradient is not None]
    flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
    with distributed.disconnects_explained():
        dist.all_reduce(flat)
    means = (flat / distributed.world_size()).split([gradient.numel() for gradient in gradients])
    with torch.no_grad():
        shaped = [mean.view(g.shape) for mean, g in zip(means, gradients, strict=True)]
        torch._foreach_copy_(gradients, shaped)


def broadcast_buffers(network: nn.Module) -> None:
    """Copy the buffers of the main process's network, such as running statistics.

    Checkpoints hold the buffers of the main process. Without ``sync_bn``, each process has its own.
    """
    if distributed.world_size() > 1:
        for buffer in network.buffers():
            with distributed.disconnects_explained():
                dist.broadcast(buffer, src=0)


def average_scalars(scalars: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the means of 0-d tensors over all processes."""
    if distributed.world_size() == 1:
        return scalars
    flat = torch.stack([value.double() for value in scalars.values()])
    return dict(zip(scalars, distributed.mean(flat).unbind(), strict=True))


class SharedClock(Clock):
    """A clock and a stop signal with equal values in all processes.

    The processes synchronise at each call of `seconds`, once per iteration.
    """

    def __init__(self, seconds_before: float, asked: list[int]) -> None:
        super().__init__(seconds_before)
        self._asked = asked
        self._agreed: list[int] = asked if distributed.world_size() == 1 else []

    @property
    def signal(self) -> int | None:
        """The number of the signal that asks all processes to stop, or None."""
        return self._agreed[0] if self._agreed else None

    def seconds(self) -> float:
        own = super().seconds()
        if distributed.world_size() == 1:
            return own
        message = torch.tensor([own, self._asked[0] if self._asked else 0], dtype=torch.float64)
        with distributed.disconnects_explained():
            dist.all_reduce(message, op=dist.ReduceOp.MAX, group=host_group())
        seconds, number = message.tolist()
        if number:
            self._agreed = [int(number)]
        return seconds


# -------------------------------------------------------------------------------- layers


def synchronize_layers(networks: Iterable[nn.Module], *, batch_norm: bool) -> None:
    """Make batch-dependent layers work on the whole batch of all processes.

    Dropout draws its mask for the whole batch. With ``batch_norm``, batch normalisation computes
    its statistics over the whole batch. The parameters and buffers of the layers do not change.
    """
    if distributed.world_size() == 1:
        return
    for network in networks:
        for name, module in network.named_modules():
            forward = None
            if isinstance(module, _BatchNorm) and batch_norm:
                _check_own_forward(name, module, _BatchNorm)
                forward = partial(_normalised, module)
            elif isinstance(module, _DropoutNd):
                _check_own_forward(name, module, DROPOUTS)
                forward = partial(_dropped, module)
            if forward is not None:
                module.forward = forward


DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)


def _check_own_forward(
    name: str, module: nn.Module, known: type[nn.Module] | tuple[type[nn.Module], ...]
) -> None:
    classes = known if isinstance(known, tuple) else (known,)
    if not any(type(module).forward is one.forward for one in classes):
        raise PluginError(
            f"'{name}' is a {type(module).__name__} with a forward of its own, which cannot be "
            "shared by several processes: use ganlab.nn.BatchNorm or torch.nn.Dropout inside it"
        )


def _normalised(module: _BatchNorm, x: Tensor) -> Tensor:
    """Normalise (N, C, *) by the mean and the variance over the whole batch."""
    if distributed.world_size() == 1 or not (module.training or module.running_mean is None):
        return type(module).forward(module, x)
    module._check_input_dim(x)
    h = full(x)
    over = [dim for dim in range(h.dim()) if dim != 1]
    variance, mean = torch.var_mean(h, over, correction=0)
    # One message for both. The slices have the same size, so the variance of the whole batch is the
    # mean of the slices' variances plus the variance of their means.
    means, variances = distributed.gather(torch.stack([mean, variance])[None]).unbind(1)  # (W, C)
    mean = means.mean(0)
    variance = variances.mean(0) + (means - mean).square().mean(0)
    if module.training and module.running_mean is not None:
        _track(module, mean, variance, h.numel() // h.shape[1] * distributed.world_size())
    gain = (variance + module.eps).rsqrt()
    if module.weight is not None:
        gain = gain * module.weight
    offset = -mean * gain
    if module.bias is not None:
        offset = offset + module.bias
    shape = (1, -1, *(1,) * (h.dim() - 2))
    return (h * gain.view(shape) + offset.view(shape)).to(x.dtype)


@torch.no_grad()
def _track(module: _BatchNorm, mean: Tensor, variance: Tensor, count: int) -> None:
    """Update the running statistics as torch does, with the unbiased variance."""
    assert module.running_mean is not None
    assert module.running_var is not None
    assert module.num_batches_tracked is not None
    module.num_batches_tracked.add_(1)
    momentum = module.momentum
    share = 1 / module.num_batches_tracked.item() if momentum is None else momentum
    for running, now in (
        (module.running_mean, mean),
        (module.running_var, variance * (count / (count - 1))),
    ):
        running.mul_(1 - share).add_(share * now.to(running.dtype))


def _dropped(module: _DropoutNd, x: Tensor) -> Tensor:
    """Apply dropout with this process's slice of the whole batch's mask, per value or channel."""
    if not module.training or distributed.world_size() == 1:
        return type(module).forward(module, x)
    each = isinstance(module, nn.Dropout)
    like = x if each else x[(slice(None), slice(None), *(slice(1),) * (x.dim() - 2))]
    return x * distributed.dropout_like(like, module.p)
