"""Write a dataset to a safetensors file in parts, without holding all of it in memory."""

from __future__ import annotations

import json
import math
import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import FileIO

import torch
from torch import Tensor

from ganlab.data.content import CHUNK, content_hash
from ganlab.data.memory_mapped import map_file
from ganlab.types import DataSpec, Prepared


class NotCached(Exception):
    """The cache cannot be written; the message gives the reason."""


@contextmanager
def raises_not_cached() -> Iterator[None]:
    """Turn an `OSError` inside the context into `NotCached`."""
    try:
        yield
    except OSError as error:
        raise NotCached(str(error)) from error


class Writer:
    """Writes images as they arrive, then the labels and the header, into space reserved for them.

    Images are stored with 1 channel until the first part with 3 channels: then the images that
    were written are expanded to 3 channels, and so are later ones.
    """

    def __init__(
        self, file: FileIO, *, labels: Tensor, class_names: tuple[str, ...], source: str
    ) -> None:
        self._file = file
        self._labels = labels
        self._class_names = class_names
        self._source = source
        self._shape = (0, 0, 0, 0)
        """(N, C, S, S) of the images written so far."""

        self._start = 0
        """Offset of the images in the file, in bytes."""

    @raises_not_cached()
    def add(self, part: Tensor) -> None:
        """Append images (n, C, S, S) uint8."""
        count, channels, size = self._shape[:3]
        if count == 0:
            channels, size = part.shape[1:3]
            self._start = 8 + self._header_room(size) + 8 * len(self._labels)
        elif channels < part.shape[1]:
            channels = part.shape[1]
            self._widen(channels)
        self._file.seek(self._start + count * channels * size * size)
        self._write(_bytes(part.expand(-1, channels, -1, -1)))
        self._shape = (count + len(part), channels, size, size)

    @raises_not_cached()
    def finish(self) -> Prepared:
        """Complete the file and return its content, with memory-mapped images."""
        assert self._shape[0] == len(self._labels), f"{self._shape[0]} of {len(self._labels)}"
        images = map_file(self._file.fileno(), offset=self._start, shape=self._shape)
        sha256 = content_hash(images, self._labels, self._class_names)
        size = self._shape[2]
        room = self._header_room(size)
        self._file.seek(0)
        header = self._header(self._shape, sha256=sha256).ljust(room)
        self._write(struct.pack("<Q", room) + header)
        self._write(_bytes(self._labels))
        os.fsync(self._file.fileno())
        spec = DataSpec(len(self._class_names), size, self._shape[1], self._class_names)
        return Prepared(images, self._labels, spec, sha256, self._source)

    def _widen(self, channels: int) -> None:
        """Expand the written images to ``channels`` in place, from last to first to lose none."""
        count, _, size, _ = self._shape
        for stop in range(count, 0, -CHUNK):
            first = max(0, stop - CHUNK)
            self._file.seek(self._start + first * size * size)
            pixels = self._read((stop - first) * size * size)
            grey = torch.frombuffer(pixels, dtype=torch.uint8).view(-1, 1, size, size)
            self._file.seek(self._start + first * channels * size * size)
            self._write(_bytes(grey.expand(-1, channels, -1, -1)))

    def _header_room(self, size: int) -> int:
        """Return the maximum header size in bytes, rounded up for alignment."""
        longest = self._header((len(self._labels), 3, size, size), sha256="0" * 64)
        return -(-len(longest) // 8) * 8

    def _header(self, shape: Sequence[int], *, sha256: str) -> bytes:
        start = 8 * len(self._labels)
        header = {
            "__metadata__": {
                "class_names": json.dumps(self._class_names),
                "sha256": sha256,
                "source": self._source,
            },
            "labels": {"dtype": "I64", "shape": [len(self._labels)], "data_offsets": [0, start]},
            "images": {
                "dtype": "U8",
                "shape": list(shape),
                "data_offsets": [start, start + math.prod(shape)],
            },
        }
        return json.dumps(header).encode()

    def _write(self, data: bytes | memoryview) -> None:
        left = memoryview(data)
        while left:  # the system may write only a part at a time
            left = left[self._file.write(left) :]

    def _read(self, count: int) -> bytearray:
        found = bytearray(count)
        left = memoryview(found)
        while left:
            left = left[self._file.readinto(left) :]
        return found


def _bytes(numbers: Tensor) -> memoryview:
    return numbers.contiguous().numpy().data.cast("B")
