"""Train runs on a Ray cluster: Ray queues them, assigns GPUs, and restarts runs of lost workers.

The lock of a worker that dies is released, so the restarted task resumes from the last checkpoint.
"""

from __future__ import annotations

import logging
import math
import os
import re
import secrets
import socket
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryFile
from textwrap import shorten
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from ganlab.errors import RunError, first_line
from ganlab.events import Message, RunFailed, RunFinished, RunStarted
from ganlab.machine import available_cpus
from ganlab.sweeping.capture import line_stream
from ganlab.sweeping.jobs import AGAIN, AllStopped, EngineEvent, Job, Outcome, Sent, Stopped
from ganlab.sweeping.resources import Share, share
from ganlab.training.signals import stop_signals
from ganlab.version import __version__

POLL_SECONDS = 0.2
KNOCK_SECONDS = 10
RETRIES = 3
"""How often a run is restarted after its worker was lost."""

NOTE_WIDTH = 200
COLOUR = re.compile(r"\x1b\[[0-9;]*m")

REFUSED = "InvalidAuthToken"
"""Ray's native code writes this to stderr once a second while a cluster rejects its token."""

ITS_TOKEN = "set RAY_AUTH_MODE=token, and put its token into RAY_AUTH_TOKEN or ~/.ray/auth_token"


class OnRay:
    """Submits a task for each job.

    ``module`` is a module that the workers import. It has the functions ``work`` and ``check``; see
    `ganlab.workers.train`.
    """

    def __init__(
        self, module: str, *, address: str | None, jobs: int | None, use_gpus: bool
    ) -> None:
        self.module = module
        self.address = address
        self.jobs = jobs
        self.use_gpus = use_gpus
        self._messages: deque[Message] = deque()
        self._heard: set[str] = set()

    def run(self, jobs: Sequence[Job]) -> Iterator[EngineEvent]:
        connect(self.address, jobs=self.jobs)
        try:
            nodes = [node for node in ray.nodes() if node["Alive"]]
            each = share(
                [node["Resources"] for node in nodes], jobs=self.jobs, use_gpus=self.use_gpus
            )
            able = [node for node in nodes if _offers(node["Resources"], each)]
            if not able:
                raise RunError("the Ray cluster has no machine with a CPU or a GPU")
            threads = str(max(1, math.floor(each.cpus)))
            jobs = [job.with_environment(OMP_NUM_THREADS=threads) for job in jobs]
            self._check_machines(able, jobs)
            with stop_signals() as stopped, redirect_stdout(line_stream(self._hear)):
                yield from self._train(jobs, each, stopped, several=len(able) > 1)
        finally:
            ray.shutdown()

    def _train(
        self, jobs: Sequence[Job], each: Share, stopped: list[int], *, several: bool
    ) -> Iterator[EngineEvent]:
        here = _only_on(ray.get_runtime_context().get_node_id())
        mailbox = ray.remote(num_cpus=0, scheduling_strategy=here)(_Mailbox).remote()
        task = ray.remote(num_cpus=each.cpus, num_gpus=each.gpus, max_retries=RETRIES, max_calls=1)(
            train_job
        )
        waiting = deque(jobs)
        running: dict[Any, Job] = {}
        outcomes: dict[int, Outcome] = {}
        told = False
        while waiting or running:
            while waiting and len(running) < (self.jobs or len(jobs)):
                job = waiting.popleft()
                running[task.remote(self.module, job, mailbox, several)] = job
            ready, _ = ray.wait(list(running), num_returns=len(running), timeout=POLL_SECONDS)
            while self._messages:
                yield self._messages.popleft()
            for event in ray.get(mailbox.take.remote()):  # includes those of the ready tasks
                if isinstance(event, Outcome):
                    outcomes[event.number] = event
                else:
                    yield event
            for reference in ready:
                job = running.pop(reference)
                lost = _lost(reference, job)
                outcome = outcomes.get(job.number) or lost
                assert outcome is not None, "a task that ends has sent how"
                if isinstance(outcome, RunFinished) or not stopped:
                    yield outcome.as_failure() if isinstance(outcome, Stopped) else outcome
            if stopped and not told:
                told = True
                waiting.clear()
                for reference in running:
                    ray.cancel(reference)  # SIGINT for a running task
        if stopped:
            yield AllStopped(stopped[0])

    def _hear(self, line: str) -> None:
        """Queue Ray's messages about its machines, the first line of each, without repetitions."""
        text = COLOUR.sub("", line)
        if text.startswith("(") and text not in self._heard:
            self._heard.add(text)
            self._messages.append(Message(shorten(f"Ray {text}", NOTE_WIDTH, placeholder=" …")))

    def _check_machines(self, nodes: Sequence[dict[str, Any]], jobs: Sequence[Job]) -> None:
        """Raise `RunError` if a machine lacks the files, data or plugins that the runs need.

        Each machine checks once for all of its workers, and thereby prepares their data.
        """
        sign = Path(jobs[0].place.runs) / f".sweep-{secrets.token_hex(8)}"
        by_data = {str(job.dataset): job for job in jobs}
        try:
            sign.parent.mkdir(parents=True, exist_ok=True)
            sign.touch()
        except OSError as error:
            raise RunError(f"cannot write {sign.parent}: {error.strerror}") from error
        try:
            asked = {}
            for node in nodes:
                there = _only_on(node["NodeID"])
                task = ray.remote(num_cpus=0, scheduling_strategy=there, max_calls=1)(check_job)
                for job in by_data.values():
                    reference = task.remote(self.module, job, version=__version__, sign=sign.name)
                    asked[reference] = node["NodeManagerHostname"]
            problems = [
                f"{host} {problem}"
                for reference, host in asked.items()
                if (problem := _answer(reference)) is not None
            ]
        finally:
            sign.unlink(missing_ok=True)
        if problems:
            raise RunError("\n  ".join(["the sweep cannot run on this Ray cluster:", *problems]))


def connect(address: str | None, *, jobs: int | None) -> None:
    """Connect to the cluster at an address, or to the one of this machine, or start one here.

    The address ``local`` always starts a new one. Raises `RunError` if no connection is possible.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # avoids a Ray warning
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        if address not in (None, "local"):
            _knock(address)
            with _token_explained(f" at {address}", ITS_TOKEN):
                ray.init(address=address, **quiet)
        elif address == "local" or not _is_here(quiet):
            count = max(available_cpus(), jobs or 1)
            ray.init(address="local", num_cpus=count, include_dashboard=False, **quiet)
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        where = f" at {address}" if address else ""
        raise RunError(f"there is no way to a Ray cluster{where}: {first_line(error)}") from error


def _knock(address: str) -> None:
    """Raise `OSError` if the address does not respond: Ray itself would retry for minutes."""
    host, _, port = address.rpartition(":")
    if port.isdecimal():
        host = host.rpartition("/")[2].strip("[]")
        socket.create_connection((host, int(port)), timeout=KNOCK_SECONDS).close()


def _is_here(quiet: dict[str, Any]) -> bool:
    """Connect to the cluster that this machine belongs to; return False if there is none."""
    try:
        with _token_explained(" here", f"{ITS_TOKEN}, or start another: --ray-address local"):
            ray.init(address="auto", **quiet)
    except ConnectionError:
        return False
    return True


@contextmanager
def _token_explained(where: str, advice: str) -> Iterator[None]:
    """Raise `RunError` if the cluster requires a token that is missing or wrong here."""
    with TemporaryFile() as said, _stderr_into(said.fileno()) as before:
        reason = None
        try:
            yield
        except (OSError, RuntimeError, ray.exceptions.RayError) as error:
            said.seek(0)
            if type(error).__name__ == "AuthenticationError":  # missing in Ray 2.40
                reason = str(error).partition(". ")[0]
            elif REFUSED.encode() in said.read():
                reason = "the token is missing or wrong"
            if reason is None:
                raise
            text = f"there is no way to the Ray cluster{where}: {reason}: {advice}"
            raise RunError(text) from error
        finally:
            if reason is None:  # otherwise stderr repeats the reason many times
                said.seek(0)
                os.write(before, said.read())


@contextmanager
def _stderr_into(file: int) -> Iterator[int]:
    """Redirect the stderr of this process to a file, including output of native code.

    Yields a file descriptor of the original stderr.
    """
    before = os.dup(2)
    try:
        os.dup2(file, 2)
        yield before
    finally:
        os.dup2(before, 2)
        os.close(before)


class _Mailbox:
    """Collects the events of tasks until they are taken."""

    def __init__(self) -> None:
        self.events: list[Sent] = []

    def put(self, event: Sent) -> None:
        self.events.append(event)

    def take(self) -> list[Sent]:
        events, self.events = self.events, []
        return events


def _only_on(node: str) -> NodeAffinitySchedulingStrategy:
    return NodeAffinitySchedulingStrategy(node, soft=False)


def train_job(module: str, job: Job, mailbox: Any, several: bool) -> None:
    """Train a job's run on a worker."""
    send = mailbox.put.remote  # no wait: a waiting task gives up its cores
    send(RunStarted(job.number, socket.gethostname() if several else ""))
    outcome = import_module(module).work(job, send)
    ray.get(send(outcome))  # everything has arrived before the task ends


def check_job(module: str, job: Job, *, version: str, sign: str) -> str | None:
    """Return why a worker cannot train a job; None if it can."""
    problem: str | None = import_module(module).check(job, version=version, sign=sign)
    return problem


def _lost(reference: Any, job: Job) -> RunFailed | None:
    """Return the failure of a task that ended without an event of its own, or None."""
    try:
        ray.get(reference)
    except ray.exceptions.TaskCancelledError:
        return RunFailed(job.number, f"cancelled; {AGAIN}")
    except ray.exceptions.RayError as error:
        return RunFailed(job.number, f"its worker was lost: {first_line(error)}; {AGAIN}")
    return None


def _answer(reference: Any) -> str | None:
    """Return the problem that a machine reported, or None."""
    try:
        problem: str | None = ray.get(reference)
    except ray.exceptions.RayError as error:
        return f"cannot start ganlab, which must be installed there: {_last_line(error)}"
    return problem


def _offers(resources: dict[str, float], each: Share) -> bool:
    return resources.get("CPU", 0) >= each.cpus and resources.get("GPU", 0) >= each.gpus


def _last_line(error: Exception) -> str:
    return next(reversed(str(error).strip().splitlines()), type(error).__name__)
