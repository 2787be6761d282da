"""Starting several processes, finding them, and never waiting for them for ever."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from tests.training.helpers import TINY

REPOSITORY = Path(__file__).parents[2]
SECONDS = 300
"""Longer than anything here may take."""


@dataclass
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def last_line(self) -> str:
        return self.err.splitlines()[-1]


class Started:
    """A command in a process group of its own, and the processes that it started."""

    def __init__(self, line: list[str], cwd: Path, **environment: str) -> None:
        self.process = subprocess.Popen(
            line,
            cwd=cwd,
            env={**_environment(), **environment},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def ranks(self) -> dict[int, int]:
        """Return the process ids of the ranks that it started, by rank."""
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return {rank: int(one) for one in children if (rank := _rank(int(one))) is not None}

    def end(self, seconds: float = SECONDS) -> Ended:
        """Wait for it; whatever hangs is killed, and the test fails."""
        try:
            out, err = self.process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        return Ended(self.process.returncode, out, err)

    def kill(self) -> None:
        """Kill it and its ranks."""
        with contextlib.suppress(OSError):
            for pid in [*self.ranks().values(), self.process.pid]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self.process.communicate()


def _environment() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}


def _rank(pid: int) -> int | None:
    try:
        variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return None
    return next((int(v[5:]) for v in variables if v.startswith(b"RANK=")), None)


def ganlab(*arguments: str | Path, cwd: Path, **environment: str) -> Started:
    """Start the command line with the tiny plugins."""
    line = [sys.executable, "-m", "ganlab", "--plugins-dir", str(TINY), *map(str, arguments)]
    return Started(line, cwd, **environment)


def torchrun(*arguments: str | Path, options: list[str], cwd: Path) -> Started:
    """Start the command line by torchrun."""
    start = [sys.executable, "-m", "torch.distributed.run", *options]
    line = ["-m", "ganlab", "--plugins-dir", str(TINY), *map(str, arguments)]
    return Started([*start, *line], cwd)


@contextmanager
def running(started: Started) -> Iterator[Started]:
    """Kill it at the end, if it still runs."""
    try:
        yield started
    finally:
        if not started.process.stdout.closed:  # type: ignore[union-attr]
            started.kill()


def module(name: str, *arguments: str | Path, count: int, cwd: Path) -> None:
    """Run a module of the tests in so many processes, and fail if one of them does."""
    port = str(free_port())
    environment = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": str(count)}
    path = os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")])
    every = [
        Started(
            [sys.executable, "-m", name, *map(str, arguments)],
            cwd,
            **environment,
            PYTHONPATH=path,
            RANK=str(rank),
            LOCAL_RANK=str(rank),
        )
        for rank in range(count)
    ]
    try:
        ended = [one.end(4 * SECONDS) for one in every]
    finally:
        for one in every:
            if one.process.poll() is None:
                one.kill()
    assert [one.code for one in ended] == [0] * count, "\n".join(one.err[-3000:] for one in ended)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def step_of(folder: Path) -> int:
    """Return the step of the newest checkpoint below a folder."""
    files = list(folder.glob("*/*/checkpoints/step-*.safetensors"))
    return max((int(file.stem.removeprefix("step-")) for file in files), default=0)


def wait_for_step(started: Started, folder: Path, step: int) -> None:
    """Wait until a checkpoint of this step is there."""
    end = time.monotonic() + SECONDS
    while step_of(folder) < step:
        assert started.process.poll() is None, started.end().err
        assert time.monotonic() < end, "it does not get on"
        time.sleep(0.05)


def state_below(folder: Path) -> dict[str, Tensor]:
    """Return every tensor of the newest checkpoint below a folder."""
    return load_file(max(folder.glob("*/*/checkpoints/step-*.safetensors")))


def assert_near(a: dict[str, Tensor], b: dict[str, Tensor], *, within: float = 1e-9) -> None:
    """Compare all tensors, in double precision."""
    assert a.keys() == b.keys()
    assert a
    far = {
        name: distance
        for name in a
        if a[name].numel()
        and not (distance := (a[name].double() - b[name].double()).abs().max().item()) <= within
    }
    assert not far, far
    assert all(torch.isfinite(value).all() for value in a.values())
