"""Starting several processes of a command on this machine, by torch's own launcher."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Sequence
from tempfile import TemporaryDirectory

from ganlab.machine import available_cpus

SHUTDOWN_SECONDS = 600
"""How long the processes may take to save when they are asked to stop."""


def started_by_torchrun() -> bool:
    """Return True if this process is one of several that share each batch."""
    return "RANK" in os.environ and int(os.environ.get("WORLD_SIZE", "1")) > 1


def launch(arguments: Sequence[str], *, count: int, gpus: bool) -> int:
    """Run ``ganlab`` with these arguments in so many processes, and return the exit code.

    They speak for themselves. Each has its own GPU, or an even share of the available_cpus.
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
        text = f"Error: process 0 was ended by {name}: repeat the command to go on"
        print(text, file=sys.stderr)
        return 1
    return first or next((code for code in codes.values() if code > 0), 1)
