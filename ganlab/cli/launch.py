"""The options of ``ganlab run`` that start several processes."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from ganlab.cli.app import app_of
from ganlab.cli.group import COMMANDS
from ganlab.workers.torchrun import launch, started_by_torchrun


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
        from ganlab.workers.ranks import joined

        with joined():
            body(ctx, **options)

    return starting


def refuse_several(command: str | None) -> None:
    """Refuse a built-in command that would do the same thing several times under torchrun."""
    if started_by_torchrun() and command in COMMANDS and command != "run":
        raise click.UsageError(f"'{command}' runs in one process, not under torchrun")


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
