"""Memory allocation of the C library during training on the CPU."""

from __future__ import annotations

import ctypes
import platform
from functools import cache

M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -4, -8
"""Constants of <malloc.h>."""


@cache
def keep_memory() -> None:
    """Make glibc keep freed memory in the process; no effect with another C library.

    By default, glibc returns the memory of every large tensor to the system and requests it again
    page by page, which takes 8 % of the time of a training step on a CPU (docs/benchmarks.md). A
    single arena for all threads prevents the retained memory from growing with their number.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    mallopt = ctypes.CDLL(None).mallopt
    for option, value in ((M_ARENA_MAX, 1), (M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, -1)):
        mallopt(option, value)
