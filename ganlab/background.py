"""Doing what can wait, such as writing files, while training goes on."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

MAX_PENDING = 4
"""Jobs that may wait, at most: what they will write is kept in memory."""


class Background:
    """Does jobs in the order that they were given: at once, or inside `in_thread` in a thread.

    After one that failed none is done: a file must not name another that was never written.
    """

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._jobs: deque[Future[None]] = deque()
        self._failed = False

    def submit(self, job: Callable[[], object]) -> None:
        """Do a job, now or soon. Raises what one before it has raised meanwhile."""
        if self._pool is None:
            job()
            return
        while self._jobs and (self._jobs[0].done() or len(self._jobs) >= MAX_PENDING):
            self._jobs.popleft().result()
        self._jobs.append(self._pool.submit(self._try, job))

    def wait(self) -> None:
        """Return when all is done; raise what the first that failed has raised."""
        while self._jobs:
            self._jobs.popleft().result()

    @contextmanager
    def in_thread(self) -> Iterator[None]:
        """Inside, jobs are done in a thread of their own; all are done when it is left."""
        self._failed = False
        with ThreadPoolExecutor(1, "background") as self._pool:
            try:
                yield
                self.wait()
            finally:
                self._pool.shutdown()
                self._pool = None
                self._jobs.clear()

    def _try(self, job: Callable[[], object]) -> None:
        if self._failed:
            return
        try:
            job()
        except BaseException:
            self._failed = True
            raise
