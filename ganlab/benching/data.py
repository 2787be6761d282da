"""Images for a benchmark: the dataset's if it is available, else random images of its size."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ganlab.components import Dataset
from ganlab.data.prepare import prepare
from ganlab.errors import DataUnavailable
from ganlab.types import DataSpec, Prepared

COUNT = 10_000
BYTES = 2**28
"""Limit for the size of the random images, which lowers `COUNT`."""


@dataclass(frozen=True)
class RandomImages:
    """Properties of random images, besides their size."""

    channels: int = 1
    classes: int = 10
    count: int | None = None


@dataclass(frozen=True)
class BenchmarkImages:
    """Images for a benchmark, and a note if they are not the dataset's."""

    prepared: Prepared
    note: str | None = None


def find_images(
    dataset: Dataset, *, root: Path | None, at_least: int, random: RandomImages | None = None
) -> BenchmarkImages:
    """Return the dataset's train split, or random images if it is not on this machine.

    With ``random``, return random images in any case. Nothing is downloaded.
    """
    if random is not None:
        return BenchmarkImages(make_random_images(dataset, random, at_least=at_least))
    try:
        with offline():
            return BenchmarkImages(prepare(dataset, root=root))
    except (DataUnavailable, Offline):
        like = RandomImages(
            classes=len(dataset.classes) if dataset.classes else RandomImages.classes
        )
        made = make_random_images(dataset, like, at_least=at_least)
        what = f"{_count(like.classes, 'class')}, {_count(like.channels, 'channel')}"
        return BenchmarkImages(
            made,
            f"'{dataset.name}' is not on this machine, and a benchmark downloads nothing: measured "
            f"with random images ({what}; --data random:CHANNELSxCLASSES makes others)",
        )


def make_random_images(dataset: Dataset, like: RandomImages, *, at_least: int) -> Prepared:
    """Return random images of the dataset's size."""
    size, generator = dataset.image_size, torch.Generator().manual_seed(0)
    room = BYTES // (like.channels * size**2)
    count = like.count or max(at_least, min(dataset.limit or COUNT, room))
    shape = (count, like.channels, size, size)
    images = torch.randint(256, shape, dtype=torch.uint8, generator=generator)
    spec = DataSpec(like.classes, size, like.channels, tuple(map(str, range(like.classes))))
    return Prepared(images, torch.arange(count) % like.classes, spec, "", "random")


class Offline(OSError):
    """Code tried to use the network inside `offline`."""


@contextmanager
def offline() -> Iterator[None]:
    """Refuse network access of this process inside the context."""

    def refuse(*_: Any, **__: Any) -> Any:
        raise Offline("a benchmark downloads nothing")

    kept = socket.getaddrinfo, socket.socket.connect
    patched: Any = socket
    patched.getaddrinfo, patched.socket.connect = refuse, refuse
    try:
        yield
    finally:
        patched.getaddrinfo, patched.socket.connect = kept


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 'es' if what.endswith('s') else 's'}"
