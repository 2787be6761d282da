"""How the C library hands out memory while a network trains on the CPU."""

from __future__ import annotations

import ctypes
import platform
from functools import cache

M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -4, -8
"""Names and numbers of <malloc.h>."""


@cache
def keep_memory() -> None:
    """Let the process keep memory that it has freed, where the C library is glibc.

    By default glibc gives every large tensor back to the system when it is freed, and takes it anew
    a moment later, page by page: in a training step on a CPU that costs 8 % of the time
    (docs/benchmarks.md). One arena for all threads keeps the kept memory from growing with them.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    mallopt = ctypes.CDLL(None).mallopt
    for option, value in ((M_ARENA_MAX, 1), (M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, -1)):
        mallopt(option, value)
