"""Have torchvision download a dataset: whole or not at all, and never waiting for long."""

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
"""How long to wait for an answer: once for any server's first, then for each of a download."""

ARCHIVES = {".gz", ".tgz"}

MISHAPS = (OSError, RuntimeError, http.client.HTTPException, EOFError, zlib.error, tarfile.TarError)


def download(
    name: str, get: Callable[[Path], object], *, urls: Sequence[str], root: Path, place: Path
) -> None:
    """Call ``get(folder)``, which downloads into a folder, and move what it got to ``root``.

    Raises `DataUnavailable`, with the ways out. ``place`` is where a user would put the files.
    """
    try:
        find_server(urls)
        root.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".download-", dir=root) as folder:
            quietly(get, Path(folder))
            _move(Path(folder), root)
    except MISHAPS as error:
        raise unavailable(name, f"not in {place}, and the download failed", error, place) from error


def unpack(name: str, get: Callable[[Path], object], *, root: Path, place: Path) -> None:
    """Call ``get(root)``, which unpacks an archive that lies there."""
    try:
        quietly(get, root)
    except MISHAPS as error:
        tried = "its archive could not be unpacked"
        raise unavailable(name, tried, error, place) from error


def unavailable(name: str, tried: str, error: Exception, place: Path) -> DataUnavailable:
    """Return the error of a dataset that cannot be had: what was tried, and three ways out."""
    reason = " ".join(str(getattr(error, "reason", error)).split()) or type(error).__name__
    return DataUnavailable(
        f"{name} cannot be had: {tried} ({textwrap.shorten(reason, 160)}). "
        f"(1) Put the files at {place}, or point --data-root or GANLAB_DATA at a folder that has "
        f"them; (2) name a fallback in the experiment: "
        f"`dataset: {{type: {name}, fallback: digits}}`; "
        "(3) repeat the command where the network can be reached."
    )


def find_server(urls: Sequence[str]) -> None:
    """Return as soon as one of the servers answers anything; else raise why none did.

    Threads, because a name server that is silent is waited for longer than any timeout says.
    """
    answers: SimpleQueue[Exception | None] = SimpleQueue()
    for url in urls:
        Thread(target=_ask, args=(url, answers), daemon=True).start()
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


def _ask(url: str, answers: SimpleQueue[Exception | None]) -> None:
    try:
        urlopen(Request(url, method="HEAD"), timeout=SECONDS).close()
    except HTTPError as error:
        error.close()  # an answer all the same: whether the file is there, the download will tell
    except Exception as error:
        answers.put(error)
        return
    answers.put(None)


def quietly(get: Callable[[Path], object], folder: Path) -> None:
    """Call torchvision, which sets no limit to waiting and prints to where results belong."""
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
