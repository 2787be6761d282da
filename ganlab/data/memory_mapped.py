"""Images that stay in a file: read when they are looked at, dropped when memory is short."""

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
"""Chosen images that take more than this stay on the disk."""

CHUNK = 256
"""How many images are copied at a time."""

# Python 3.13 has a name for it. Without it Linux refuses to map more than there is memory.
NO_RESERVE = 0x4000 if sys.platform == "linux" else 0


def map_file(descriptor: int, *, offset: int, shape: Sequence[int]) -> Tensor:
    """Return uint8 numbers of an open file, which may be closed and deleted afterwards.

    Who changes them changes a copy of the page: neither the file nor what others see.
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
    """Return ``images[indices]`` of (N, C, S, S) uint8; where these are many, mapped from a file.

    The file is gone when nobody holds the images any more. Raises `OSError` when the disk is full.
    """
    shape = (len(indices), *images.shape[1:])
    if math.prod(shape) <= MOST_BYTES:
        return images[indices]
    with tempfile.TemporaryFile(dir=cache_dir()) as file:
        for some in indices.split(CHUNK):
            file.write(images[some].cpu().numpy().data)
        file.flush()
        return map_file(file.fileno(), offset=0, shape=shape)
