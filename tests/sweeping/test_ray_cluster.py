"""``ganlab sweep --on ray`` and a cluster that was started before, elsewhere and with a token."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from click.testing import Result

from tests.sweeping.helpers import finish, start_sweep, swept

ray = pytest.importorskip("ray")

Write = Callable[..., Path]
Ganlab = Callable[..., Result]
pytestmark = pytest.mark.xdist_group("ray")  # one cluster at a time
TOKEN = "0123456789abcdef" * 2
ADVICE = "set RAY_AUTH_MODE=token, and put its token into RAY_AUTH_TOKEN or ~/.ray/auth_token"
REFUSED = "the token is missing or wrong"
QUICK = {"RAY_NUM_REDIS_GET_RETRIES": "2", "RAY_AUTH_MODE": "token"}
"""Ray tries twice to get in, not twenty times."""


@dataclass
class Cluster:
    """A Ray cluster of one machine, whose token is TOKEN."""

    address: str
    folder: Path
    """Where it was started."""

    home: Path
    """A home without a token."""

    def sweep(self, *arguments: str, cwd: Path, **variables: str) -> tuple[int, list[str]]:
        """Return the exit code of a sweep on this cluster, and what it says."""
        where = ("--on", "ray", "--ray-address", self.address, "--no-board")
        variables = {"HOME": str(self.home), **QUICK, **variables}
        process = start_sweep(*where, *arguments, cwd=cwd, variables=variables)
        _, errors = finish(process)
        return process.returncode, errors.splitlines()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Start a cluster, and stop it and none else: ``ray stop`` would stop all of this machine."""
    folder, home = tmp_path_factory.mktemp("elsewhere"), tmp_path_factory.mktemp("home")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as short:  # socket's paths
        options = ["--head", "--block", f"--port={port}", "--node-ip-address=127.0.0.1"]
        options += ["--num-cpus=2", "--include-dashboard=false", "--disable-usage-stats"]
        options += [f"--temp-dir={short}", "--object-store-memory=80000000"]
        head = subprocess.Popen(
            [Path(sys.executable).with_name("ray"), "start", *options],
            cwd=folder,
            env={**os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        try:
            assert head.stdout is not None
            assert any("Ray runtime started" in line for line in head.stdout)
            yield Cluster(f"127.0.0.1:{port}", folder, home)
        finally:
            head.send_signal(signal.SIGTERM)
            head.communicate(timeout=30)


@pytest.mark.slow
def test_runs_land_where_the_command_was_given_not_where_the_cluster_was_started(
    cluster: Cluster, write_sweep: Write, workplace: Path
) -> None:
    write_sweep(1)
    code, said = cluster.sweep(cwd=workplace, RAY_AUTH_TOKEN=TOKEN)
    assert code == 0, said
    (run,) = swept(workplace)
    assert run.info["status"] == "finished"
    assert run.sessions == [(0, 4)]
    assert said[0] == f"[1/1] train.seed=0: {run.path.relative_to(workplace)}"
    assert list(cluster.folder.iterdir()) == []


@pytest.mark.slow
def test_a_wrong_token_is_said_in_one_line(
    cluster: Cluster, write_sweep: Write, workplace: Path
) -> None:
    write_sweep(1)
    code, said = cluster.sweep(cwd=workplace, RAY_AUTH_TOKEN=TOKEN[::-1])
    way = f"there is no way to the Ray cluster at {cluster.address}"
    assert said == [f"Error: {way}: {REFUSED}: {ADVICE}"]
    assert code == 1


@pytest.mark.slow
def test_a_token_that_is_not_there_is_said_in_one_line(
    cluster: Cluster, write_sweep: Write, workplace: Path
) -> None:
    write_sweep(1)
    code, said = cluster.sweep(cwd=workplace)
    way = f"there is no way to the Ray cluster at {cluster.address}"
    reason = "Token authentication is enabled but no authentication token was found"
    assert said == [f"Error: {way}: {reason}: {ADVICE}"]
    assert code == 1
