"""A process that does one job: it reads the job from stdin and writes events to stdout."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from typing import Any

from ganlab.events import RunTold, Tell, to_data
from ganlab.sweeping import jobs
from ganlab.sweeping.jobs import Outcome, Send, Sent


def serve(do: Callable[[dict[str, Any], Send], Outcome]) -> None:
    """Do the job that stdin holds, and write its events to stdout: see `ganlab.sweeping.pool`."""
    events = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever else is printed does not get between them

    def send(event: Sent) -> None:
        with suppress(BrokenPipeError):  # `_stop_when_alone` ends the job then
            print(json.dumps(jobs.to_data(event)), file=events, flush=True)

    job = json.loads(sys.stdin.buffer.readline())
    Thread(target=_stop_when_alone, daemon=True).start()
    send(do(job, send))


def teller(number: int, send: Send) -> Tell:
    """Return what sends the events of a run with this number."""
    return lambda event: send(RunTold(number, to_data(event)))


def print_warning(text: str) -> None:
    """Print a warning, so that it is sent with the process's other output."""
    print(f"warning: {text}", file=sys.stderr)


def _stop_when_alone() -> None:
    """Wait until the other end of stdin is closed, then stop; a run that is trained saves."""
    os.read(0, 1)  # not sys.stdin, whose lock would be held while the interpreter ends
    os.kill(os.getpid(), signal.SIGTERM)
