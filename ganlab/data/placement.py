"""Measure free memory and decide whether a dataset is kept in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

Placement = Literal["resident", "stream"]

MAX_SHARE = 0.5
"""Fraction of the free memory that images may take. The networks need the rest."""

CGROUP_FILES = {
    "": ("memory.max", "memory.current", "inactive_file", "active_file"),
    "memory": (
        "memory.limit_in_bytes",
        "memory.usage_in_bytes",
        "total_inactive_file",
        "total_active_file",
    ),
}
"""By cgroup controller (version 2 has no name): the files with the limit and the usage, and the
rows of ``memory.stat`` that count file pages, which the system can reclaim."""


def choose_placement(
    wanted: Literal["auto", "resident", "stream"], images: Tensor, *, device: torch.device
) -> Placement:
    """Return where to keep images (N, C, S, S) uint8: on the device if they fit, else on disk."""
    if wanted != "auto":
        return wanted
    return "resident" if images.numel() <= MAX_SHARE * free_bytes(device) else "stream"


def free_bytes(device: torch.device) -> int:
    """Return the free memory of a device, in bytes."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return available_bytes()


def available_bytes(root: Path = Path("/")) -> int:
    """Return how many bytes of memory this process may still use.

    It is the minimum of the system's free memory and what the cgroup limits leave. ``root`` is the
    folder that contains ``proc`` and ``sys``.
    """
    try:
        rows = dict(row.split(":", 1) for row in (root / "proc/meminfo").read_text().splitlines())
    except FileNotFoundError:  # not Linux: use the total memory
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    system = 1024 * int(rows["MemAvailable"].split()[0])
    return max(0, min([system, *_left_by_cgroups(root)]))


def _left_by_cgroups(root: Path) -> Iterator[int]:
    """Yield the bytes left by the limit of each cgroup of this process and of its parents."""
    own = root / "proc/self/cgroup"
    for row in own.read_text().splitlines() if own.exists() else []:
        _, controllers, name = row.split(":", 2)
        for controller in set(controllers.split(",")) & CGROUP_FILES.keys():
            mount = root / "sys/fs/cgroup" / controller
            group = mount / name.lstrip("/")
            for folder in (group, *group.parents):
                if folder.is_relative_to(mount):
                    yield from _left_by_cgroup(folder, *CGROUP_FILES[controller])


def _left_by_cgroup(folder: Path, limit: str, use: str, *reclaimable: str) -> Iterator[int]:
    try:
        most = (folder / limit).read_text().strip()
        used = int((folder / use).read_text())
        rows = (row.split() for row in (folder / "memory.stat").read_text().splitlines())
        files = sum(int(value) for name, value in rows if name in reclaimable)
    except OSError:  # inside a container, the cgroup has another path
        return
    if most != "max":
        yield int(most) - (used - files)
