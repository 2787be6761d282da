"""Run jobs such as writing files in a thread while training continues."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

MAX_PENDING = 4
"""Maximum number of pending jobs. The data that they will write is kept in memory."""


class Background:
    """Runs jobs in the order of submission: immediately, or in a thread inside `in_thread`.

    After a job fails, later jobs are skipped: a file must not refer to one that was not written.
    """

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._jobs: deque[Future[None]] = deque()
        self._failed = False

    def submit(self, job: Callable[[], object]) -> None:
        """Run a job now or queue it. Raises the error of an earlier job, if one has failed."""
        if self._pool is None:
            job()
            return
        while self._jobs and (self._jobs[0].done() or len(self._jobs) >= MAX_PENDING):
            self._jobs.popleft().result()
        self._jobs.append(self._pool.submit(self._try, job))

    def wait(self) -> None:
        """Wait until all jobs are done. Raises the error of the first job that failed."""
        while self._jobs:
            self._jobs.popleft().result()

    @contextmanager
    def in_thread(self) -> Iterator[None]:
        """Run jobs in a thread inside this context, and wait for all of them at its end."""
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
