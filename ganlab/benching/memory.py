"""Measure allocated memory, to attribute it to one of several settings in a process."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import sys
from pathlib import Path

import torch


def allocated_bytes(device: torch.device) -> int:
    """Return the allocated bytes after freeing unused memory; 0 if they cannot be measured."""
    gc.collect()
    if device.type == "cuda":
        return torch.cuda.memory_allocated(device)
    if sys.platform != "linux":
        return 0
    with contextlib.suppress(AttributeError):  # not in every C library
        ctypes.CDLL(None).malloc_trim(0)
    status = Path("/proc/self/status").read_text()
    (kilobytes,) = (row.split()[1] for row in status.splitlines() if row.startswith("VmRSS"))
    return 1024 * int(kilobytes)
