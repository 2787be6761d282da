"""Train several runs at once on this machine, each in its own process."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from threading import Thread

from ganlab.events import RunFailed, RunFinished, RunPrinted, RunStarted
from ganlab.sweeping.jobs import (
    AGAIN,
    AllStopped,
    EngineEvent,
    Outcome,
    Sent,
    Stopped,
    Task,
    from_data,
)
from ganlab.sweeping.resources import Slot
from ganlab.training.signals import stop_signals

POLL_SECONDS = 0.2
"""The interval at which signals are checked."""

EVENT = b'{"event": '
"""The beginning of a line that holds an event."""


class Pool:
    """Starts a process for each job, with at most one running process per slot.

    ``python -m <module>`` reads a job from stdin and writes its events to stdout, as lines of JSON.
    It saves its state and stops on SIGTERM, and when stdin is closed because this process has died.
    """

    def __init__(self, module: str, places: Sequence[Slot]) -> None:
        self.module = module
        self.slots = places

    def run(self, jobs: Sequence[Task]) -> Iterator[EngineEvent]:
        waiting = deque(jobs)
        free = list(self.slots)
        running: dict[int, _Worker] = {}
        heard: queue.SimpleQueue[tuple[int, Sent | None]] = queue.SimpleQueue()
        with stop_signals() as stopped:
            try:
                while waiting or running:
                    if stopped:
                        waiting.clear()
                        for worker in running.values():
                            worker.stop()
                    while waiting and free:
                        job = waiting.popleft()
                        running[job.number] = _Worker.start(self.module, job, free.pop(0), heard)
                        yield RunStarted(job.number)
                    try:
                        number, event = heard.get(timeout=POLL_SECONDS)
                    except queue.Empty:
                        continue
                    worker = running[number]
                    if isinstance(event, Outcome):
                        worker.outcome = event
                    elif event is not None:
                        yield event
                    else:
                        outcome = worker.end()
                        del running[number]
                        free.append(worker.slot)
                        if isinstance(outcome, RunFinished) or not stopped:
                            yield outcome.as_failure() if isinstance(outcome, Stopped) else outcome
            finally:  # any left after a second signal or a bug
                for worker in running.values():
                    worker.process.kill()
                    worker.process.wait()
        if stopped:
            yield AllStopped(stopped[0])


@dataclass
class _Worker:
    """A process that executes a job."""

    process: subprocess.Popen[bytes]
    job: Task
    slot: Slot
    outcome: Outcome | None = None
    stopping: bool = False

    @classmethod
    def start(
        cls, module: str, job: Task, slot: Slot, heard: queue.SimpleQueue[tuple[int, Sent | None]]
    ) -> _Worker:
        process = subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **slot},
            start_new_session=True,  # Ctrl-C reaches only this process, which signals each once
        )
        worker = cls(process, job, slot)
        Thread(target=worker._listen, args=(heard,), daemon=True).start()
        return worker

    def _listen(self, heard: queue.SimpleQueue[tuple[int, Sent | None]]) -> None:
        """Send the job to the process, then queue its events, and at the end None."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with suppress(BrokenPipeError):  # the process has died: see its exit code
            self.process.stdin.write(json.dumps(self.job.as_data()).encode() + b"\n")
            self.process.stdin.flush()  # stdin stays open: see `Pool`
        number = self.job.number
        try:
            for line in self.process.stdout:
                if not line.endswith(b"\n"):  # truncated by a kill
                    break
                if line.startswith(EVENT):
                    heard.put((number, from_data(json.loads(line))))
                else:  # printed before the module redirected stdout
                    text = line.decode(errors="replace").rstrip()
                    heard.put((number, RunPrinted(number, text)))
        finally:
            heard.put((number, None))

    def stop(self) -> None:
        if not self.stopping:
            self.stopping = True
            self.process.terminate()

    def end(self) -> Outcome:
        """Wait for the process, after it has closed stdout, and return the outcome."""
        code = self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()
        if self.outcome is not None:
            return self.outcome
        if code < 0:
            how = f"its process was killed by {signal.Signals(-code).name}; {AGAIN}"
        else:
            how = f"its process ended with exit code {code}"
        return RunFailed(self.job.number, how)
