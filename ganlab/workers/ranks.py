"""The processes that torchrun started: they join, and end together whatever happens to one."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import FrameType
from typing import NoReturn

import torch
import torch.distributed as dist
from torch.distributed import PrefixStore, Store  # type: ignore[attr-defined]
from torch.distributed.rendezvous import rendezvous

from ganlab import distributed
from ganlab.errors import GanlabError, Interrupted, RemoteError, format_error
from ganlab.training import processes
from ganlab.workers.torchrun import started_by_torchrun

FAILURE = "failure"
"""Where the process that fails first says why."""

STOPPING = (signal.SIGINT, signal.SIGTERM)

TIMEOUT = timedelta(minutes=30)
"""How long a message of training may take; whoever waits for the first process has a day."""

NOTICE_SECONDS = 3
"""How long the others wait to be told why they lost one that ended."""

GRACE_SECONDS = 20
"""How long a process may take to end by itself once another has failed or its parent is gone."""


@contextmanager
def joined() -> Iterator[None]:
    """Inside, the processes that torchrun started share every batch. With one, nothing happens.

    The first one speaks. If one fails or is killed, all end, and the first one says why. A signal
    to any stops all.
    """
    if not started_by_torchrun():
        yield
        return
    notice = _join()
    over = threading.Event()
    watch = threading.Thread(target=_watch, args=(notice, over), daemon=True)
    watch.start()
    try:
        yield
        _part()
    except Interrupted:  # all have saved their state
        _part()
        raise
    except BaseException as error:
        notice.give(error)
        _ignore_signals()
        # The interpreter's own end would wait for a GPU that waits for what is lost.
        if distributed.rank():
            _end(_exit_code(error))
        atexit.register(_end, _exit_code(error))
        raise
    finally:
        _ignore_signals()
        over.set()
        watch.join(timeout=2)


def _join() -> Notice:
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]) % torch.cuda.device_count())
    store, rank, count = next(rendezvous("env://", timeout=TIMEOUT))
    notice = Notice(store)
    for number in STOPPING:
        signal.signal(number, notice.signalled)
    distributed.explain_disconnects(notice.explain)
    if rank:  # one process speaks; what fails in the others reaches it by their notice
        sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    with distributed.disconnects_explained():
        dist.init_process_group(backend, store=store, rank=rank, world_size=count, timeout=TIMEOUT)
        processes.host_group()
    return notice


def _part() -> None:
    """End when all end: torchrun stops the others as soon as one ends with another code than 0."""
    processes.wait_for_everyone()
    processes.forget_host_group()
    dist.destroy_process_group()


def _ignore_signals() -> None:
    """Let nothing interrupt the end: the launcher stops whoever still runs when one has ended."""
    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)


def _end(code: int) -> NoReturn:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


class Notice:
    """The place where a process that fails tells the others."""

    def __init__(self, store: Store) -> None:
        # A connection of its own: nobody else's waiting stands in its way.
        self.store = PrefixStore("ganlab", store.clone())

    def give(self, error: BaseException) -> None:
        """Say why this process ends, unless another one has said so of itself before."""
        known = isinstance(error, GanlabError)
        whole = "".join(traceback.format_exception(error))
        record = {
            "text": format_error(error),
            "code": _exit_code(error),
            "traceback": whole,
            "known": known,
        }
        with contextlib.suppress(RuntimeError):  # whoever holds the place may be gone
            self.store.compare_set(FAILURE, "", json.dumps(record))

    def taken(self) -> RemoteError | None:
        """Return what another process, or this one, has failed of."""
        try:
            if not self.store.check([FAILURE]):
                return None
            record = json.loads(self.store.get(FAILURE))
        except RuntimeError:
            return None
        where = "" if record["known"] else f"\n{record['traceback'].rstrip()}"
        return RemoteError(record["text"] + where, record["code"], record["traceback"])

    def explain(self) -> GanlabError:
        """Return why another process cannot be reached any more."""
        end = time.monotonic() + NOTICE_SECONDS
        while time.monotonic() < end:
            failure = self.taken()
            if failure is not None:
                return failure
            time.sleep(0.05)
        error = RemoteError(
            "another process of this run was killed or lost: repeat the command to go on", 1
        )
        self.give(error)
        return error

    def signalled(self, number: int, frame: FrameType | None) -> None:
        """Interrupt, unless it is the launcher that ends this process since another has failed."""
        if self.taken() is None:
            raise KeyboardInterrupt


def _watch(notice: Notice, over: threading.Event) -> None:
    """End this process when its parent is gone, or when another failed and it hangs."""
    parent, rank = os.getppid(), distributed.rank()
    while not over.wait(0.5):
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGTERM)
            if not over.wait(GRACE_SECONDS):
                _end(128 + signal.SIGTERM)
        failure = notice.taken()
        if failure is not None and not over.wait(GRACE_SECONDS):
            if rank == 0:
                print(f"Error: {failure}", file=sys.stderr)
            _end(failure.exit_code)


def _exit_code(error: BaseException) -> int:
    if isinstance(error, KeyboardInterrupt):
        return 130
    return getattr(error, "exit_code", 1)  # of a GanlabError, or of click's own errors
