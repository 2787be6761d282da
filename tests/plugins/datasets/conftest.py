"""A separate cache for every test, and fixtures that write the files of datasets."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("GANLAB_CACHE", str(folder))
    monkeypatch.delenv("GANLAB_DATA", raising=False)
    return folder


def idx_bytes(array: np.ndarray) -> bytes:
    """Return a uint8 array in the idx format."""
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    return header + array.astype(np.uint8).tobytes()


@pytest.fixture
def write_mnist(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes 20 training and 10 test images and returns the data root."""

    def write(folder: str = "MNIST") -> Path:
        raw = tmp_path / "data" / folder / "raw"
        raw.mkdir(parents=True)
        rng = np.random.default_rng(0)
        for prefix, n in (("train", 20), ("t10k", 10)):
            images = rng.integers(0, 256, (n, 28, 28))
            (raw / f"{prefix}-images-idx3-ubyte").write_bytes(idx_bytes(images))
            (raw / f"{prefix}-labels-idx1-ubyte").write_bytes(idx_bytes(np.arange(n) % 10))
        return tmp_path / "data"

    return write


@pytest.fixture
def serve() -> Iterator[Callable[[Path], str]]:
    """Return a function that serves a folder over HTTP and returns its URL."""
    servers = []

    def start(folder: Path) -> str:
        handler = partial(QuietHandler, directory=str(folder))
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


class QuietHandler(SimpleHTTPRequestHandler):
    """A handler that serves files without printing a log."""

    def log_message(self, *arguments: object) -> None:
        pass
