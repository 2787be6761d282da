"""Memory-mapped images: pages are read when they are used and dropped when memory is short."""

from __future__ import annotations

import math
import mmap
import sys
import tempfile
from collections.abc import Sequence

import torch
from torch import Tensor

from ganlab.files import cache_dir

MOST_BYTES = 2**30
"""Selections of images that are larger than this are written to a mapped file."""

CHUNK = 256
"""Number of images that are copied at a time."""

# MAP_NORESERVE, which Python names since 3.13. Without it, Linux refuses to map files larger than
# the memory.
NO_RESERVE = 0x4000 if sys.platform == "linux" else 0


def map_file(descriptor: int, *, offset: int, shape: Sequence[int]) -> Tensor:
    """Return a uint8 tensor that is mapped from an open file.

    The file may be closed and deleted afterwards. Writing to the tensor changes neither the file
    nor other mappings of it.
    """
    memory = mmap.mmap(
        descriptor,
        offset + math.prod(shape),
        flags=mmap.MAP_PRIVATE | NO_RESERVE,
        prot=mmap.PROT_READ | mmap.PROT_WRITE,
    )
    flat = torch.frombuffer(memory, dtype=torch.uint8, offset=offset, count=math.prod(shape))
    return flat.view(*shape)


def gather_rows(images: Tensor, indices: Tensor) -> Tensor:
    """Return ``images[indices]`` of images (N, C, S, S) uint8.

    A result larger than `MOST_BYTES` is mapped from a temporary file, which is deleted when the
    result is no longer used. Raises `OSError` if the disk is full.
    """
    shape = (len(indices), *images.shape[1:])
    if math.prod(shape) <= MOST_BYTES:
        return images[indices]
    with tempfile.TemporaryFile(dir=cache_dir()) as file:
        for some in indices.split(CHUNK):
            file.write(images[some].cpu().numpy().data)
        file.flush()
        return map_file(file.fileno(), offset=0, shape=shape)
