"""Downloads by torchvision that are complete or leave nothing behind, and that time out quickly."""

from __future__ import annotations

import http.client
import os
import socket
import sys
import tarfile
import textwrap
import time
import zlib
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from queue import Empty, SimpleQueue
from tempfile import TemporaryDirectory
from threading import Thread
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from ganlab.errors import DataUnavailable

SECONDS = 10.0
"""Timeout in seconds: for the first answer of any server, and for each read of the download."""

ARCHIVES = {".gz", ".tgz"}

DOWNLOAD_ERRORS = (
    OSError,
    RuntimeError,
    http.client.HTTPException,
    EOFError,
    zlib.error,
    tarfile.TarError,
)


def download(
    name: str, get: Callable[[Path], object], *, urls: Sequence[str], root: Path, place: Path
) -> None:
    """Download with ``get(folder)`` into a temporary folder and move the files to ``root``.

    ``urls`` are the servers to try. ``place`` is where a user would put the files by hand. Raises
    `DataUnavailable`, which lists the possible solutions, if the download fails.
    """
    try:
        find_server(urls)
        root.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".download-", dir=root) as folder:
            quietly(get, Path(folder))
            _move(Path(folder), root)
    except DOWNLOAD_ERRORS as error:
        raise unavailable(name, f"not in {place}, and the download failed", error, place) from error


def unpack(name: str, get: Callable[[Path], object], *, root: Path, place: Path) -> None:
    """Call ``get(root)``, which unpacks an archive in ``root``.

    Raises `DataUnavailable`, which lists the possible solutions, if the archive cannot be unpacked.
    """
    try:
        quietly(get, root)
    except DOWNLOAD_ERRORS as error:
        failure = "its archive could not be unpacked"
        raise unavailable(name, failure, error, place) from error


def unavailable(name: str, failure: str, error: Exception, place: Path) -> DataUnavailable:
    """Return the error of a dataset that is not available, with its cause and three solutions."""
    reason = " ".join(str(getattr(error, "reason", error)).split()) or type(error).__name__
    return DataUnavailable(
        f"{name} is not available: {failure} ({textwrap.shorten(reason, 160)}). "
        f"(1) Put the files at {place}, or set --data-root or GANLAB_DATA to a folder that has "
        f"them; (2) name a fallback in the experiment: "
        f"`dataset: {{type: {name}, fallback: digits}}`; "
        "(3) repeat the command with network access."
    )


def find_server(urls: Sequence[str]) -> None:
    """Return as soon as one of the servers answers; raise the last error if none does.

    The requests run in threads, because name resolution can block for longer than the timeout.
    """
    answers: SimpleQueue[Exception | None] = SimpleQueue()
    for url in urls:
        Thread(target=_request, args=(url, answers), daemon=True).start()
    deadline = time.monotonic() + SECONDS
    problem: Exception = TimeoutError(f"no answer within {SECONDS:g} seconds")
    for _ in urls:
        try:
            answer = answers.get(timeout=max(0.0, deadline - time.monotonic()))
        except Empty:
            break
        if answer is None:
            return
        problem = answer
    raise problem


def _request(url: str, answers: SimpleQueue[Exception | None]) -> None:
    try:
        urlopen(Request(url, method="HEAD"), timeout=SECONDS).close()
    except HTTPError as error:
        error.close()  # the server answered; the download will report a missing file
    except Exception as error:
        answers.put(error)
        return
    answers.put(None)


def quietly(get: Callable[[Path], object], folder: Path) -> None:
    """Call ``get(folder)`` with a socket timeout and with its stdout redirected to stderr.

    torchvision sets no timeout and prints to stdout.
    """
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(SECONDS)
    try:
        with redirect_stdout(sys.stderr):
            get(folder)
    finally:
        socket.setdefaulttimeout(before)


def _move(folder: Path, root: Path) -> None:
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        if file.suffix not in ARCHIVES:
            target = root / file.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(file, target)
