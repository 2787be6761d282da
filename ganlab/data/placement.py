"""How much memory is free, and whether a dataset fits there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

Placement = Literal["resident", "stream"]

MAX_SHARE = 0.5
"""Of the free memory that images may take; networks and what they compute need the rest."""

CGROUP_FILES = {
    "": ("memory.max", "memory.current", "inactive_file", "active_file"),
    "memory": (
        "memory.limit_in_bytes",
        "memory.usage_in_bytes",
        "total_inactive_file",
        "total_active_file",
    ),
}
"""By controller, that of version 2 being the one without a name: the files of a control group with
its limit and its use, and in ``memory.stat`` the pages of files, which give way."""


def choose_placement(
    wanted: Literal["auto", "resident", "stream"], images: Tensor, *, device: torch.device
) -> Placement:
    """Return where to keep images (N, C, S, S) uint8: on the device if they fit, else on disk."""
    if wanted != "auto":
        return wanted
    return "resident" if images.numel() <= MAX_SHARE * free_bytes(device) else "stream"


def free_bytes(device: torch.device) -> int:
    """Return the memory that is free on a device."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return available_bytes()


def available_bytes(root: Path = Path("/")) -> int:
    """Return the memory that this process may still take: the system's, or its control group's.

    ``root`` is where the folders ``proc`` and ``sys`` are.
    """
    try:
        rows = dict(row.split(":", 1) for row in (root / "proc/meminfo").read_text().splitlines())
    except FileNotFoundError:  # not Linux: all there is
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    system = 1024 * int(rows["MemAvailable"].split()[0])
    return max(0, min([system, *_left_by_cgroups(root)]))


def _left_by_cgroups(root: Path) -> Iterator[int]:
    """Yield what the limits of this process's control groups leave, those above them included."""
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
    except OSError:  # seen from inside a container, the group lies elsewhere
        return
    if most != "max":
        yield int(most) - (used - files)
