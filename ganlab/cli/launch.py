"""Starting several processes of a command on this machine, by torch's own launcher."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from functools import wraps
from tempfile import TemporaryDirectory
from typing import Any

import click

from ganlab.cli.app import COMMANDS, app_of
from ganlab.machine import available_cpus

SHUTDOWN_SECONDS = 600
"""How long the processes may take to save when they are asked to stop."""


def in_processes(body: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options ``gpus`` and ``processes``: it is then started so many times.

    Processes that were started like that, or by torchrun, run it together.
    """

    @wraps(body)
    def starting(
        ctx: click.Context, /, gpus: int | None, processes: int | None, **options: Any
    ) -> None:
        if gpus or processes:
            options["device"] = _device(gpus, processes, options["device"])
        count = gpus or processes or 1
        if count > 1:
            arguments = _arguments(ctx, {**ctx.params, "device": options["device"]})
            ctx.exit(launch(arguments, count=count, gpus=bool(gpus)))
        if not started_by_torchrun():
            body(ctx, **options)
            return
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # before torch is imported
        from ganlab.cli.joining import joined

        with joined():
            body(ctx, **options)

    return starting


def started_by_torchrun() -> bool:
    """Return if this process is one of several."""
    return "RANK" in os.environ and int(os.environ.get("WORLD_SIZE", "1")) > 1


def refuse_several(command: str | None) -> None:
    """Refuse a command of ours that under torchrun would do the same thing several times."""
    if started_by_torchrun() and command in COMMANDS and command != "run":
        raise click.UsageError(f"'{command}' runs in one process, not under torchrun")


def launch(arguments: Sequence[str], *, count: int, gpus: bool) -> int:
    """Run ``ganlab`` with these arguments in so many processes, and return the exit code.

    They speak for themselves. Each has its own GPU, or an even share of the processors.
    """
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # no stack traces of lost connections
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, available_cpus() // count)))
    if sys.platform == "linux":  # no look-up of this machine's name
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")

    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    logging.getLogger("torch.distributed").setLevel(logging.CRITICAL)
    with TemporaryDirectory(prefix="ganlab-") as logs:  # else torch leaves one behind
        config = LaunchConfig(
            min_nodes=1,
            max_nodes=1,
            nproc_per_node=count,
            run_id=f"ganlab-{os.getpid()}",
            rdzv_backend="c10d",
            rdzv_endpoint="localhost:0",
            local_addr="localhost",
            max_restarts=0,
            shutdown_timeout=SHUTDOWN_SECONDS,
            logs_specs=DefaultLogsSpecs(log_dir=logs),
        )
        try:
            elastic_launch(config, sys.executable)("-m", "ganlab", *arguments)
        except SignalException as stopped:
            return 128 + stopped.sigval
        except ChildFailedError as failed:
            return _exit_code({rank: failure.exitcode for rank, failure in failed.failures.items()})
    return 0


def _exit_code(codes: dict[int, int]) -> int:
    """Return the code of the first process, or of another; say what it cannot say itself."""
    first = codes.get(0, 0)
    if first < 0:
        name = signal.Signals(-first).name
        click.echo(f"Error: process 0 was ended by {name}: repeat the command to go on", err=True)
        return 1
    return first or next((code for code in codes.values() if code > 0), 1)


def _device(gpus: int | None, processes: int | None, device: str | None) -> str:
    """Return the device that the processes compute on, or refuse what contradicts itself."""
    if gpus and processes:
        raise click.UsageError("--gpus and --processes exclude each other")
    if started_by_torchrun():
        raise click.UsageError("torchrun has started the processes: leave out --gpus, --processes")
    kind = "cuda" if gpus else "cpu"
    if device not in (None, "auto", kind):
        raise click.UsageError(f"--{'gpus' if gpus else 'processes'} computes on '{kind}'")
    if gpus:
        from torch.cuda import device_count

        if gpus > device_count():
            raise click.UsageError(f"--gpus {gpus}: this machine has {device_count()} GPUs")
    return kind


def _arguments(ctx: click.Context, values: dict[str, Any]) -> list[str]:
    """Return the arguments of a call like this one, in one process."""
    folders = [part for folder in app_of(ctx).folders for part in ("--plugins-dir", str(folder))]
    arguments = [*folders, str(ctx.info_name)]
    for parameter in ctx.command.params:
        value = values.get(str(parameter.name))
        if value in (None, False, ()) or parameter.name in ("gpus", "processes"):
            continue
        if isinstance(parameter, click.Argument):
            arguments.append(str(value))
        elif isinstance(parameter, click.Option) and parameter.is_flag:
            arguments.append(parameter.opts[-1])
        else:
            for one in value if parameter.multiple else [value]:
                arguments += [parameter.opts[-1], str(one)]
    return arguments
