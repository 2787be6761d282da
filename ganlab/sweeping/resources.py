"""Distribute GPUs and CPU cores over concurrent runs."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ganlab.machine import available_cpus

Slot = Mapping[str, str]
"""The environment variables that assign a GPU and threads to one of several concurrent runs."""


def slots(count: int, gpus: Sequence[str]) -> list[Slot]:
    """Return slots for ``count`` concurrent runs, which share the GPUs, if any, and the cores."""
    threads = str(max(1, available_cpus() // count))
    given = os.environ.get("OMP_NUM_THREADS", threads)
    shared: list[Slot] = []
    for number in range(count):
        gpu = {"CUDA_VISIBLE_DEVICES": gpus[number % len(gpus)]} if gpus else {}
        shared.append({"OMP_NUM_THREADS": given, **gpu})
    return shared


def visible_gpus() -> list[str]:
    """Return the GPUs of this process, in the notation of CUDA_VISIBLE_DEVICES."""
    import torch

    count = torch.cuda.device_count()
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = named.split(",") if named else [str(number) for number in range(count)]
    return names[:count]


@dataclass(frozen=True)
class Share:
    """The resources that Ray reserves for one run."""

    cpus: float
    gpus: float = 0.0


def share(nodes: Sequence[dict[str, float]], *, jobs: int | None, use_gpus: bool) -> Share:
    """Return the resources of one run on machines with these resources.

    With GPUs: one GPU and its share of the machine's cores, or a fraction of a GPU if there are
    more concurrent ``jobs`` than GPUs. Without GPUs: the most cores that allow ``jobs`` concurrent
    runs, by default one run per machine.
    """
    with_gpus = [node for node in nodes if node.get("GPU")] if use_gpus else []
    if with_gpus:
        total = sum(node["GPU"] for node in with_gpus)
        on_one = math.ceil(jobs / total) if jobs else 1
        cpus = min(node.get("CPU", 0) / (node["GPU"] * on_one) for node in with_gpus)
        return Share(math.floor(cpus) if cpus >= 1 else round(cpus, 3), 1 / on_one)
    counts = [int(node.get("CPU", 0)) for node in nodes]
    wanted = jobs or len([count for count in counts if count])
    fitting = (
        cpus for cpus in range(max(counts, default=1), 0, -1) if _fit(counts, cpus) >= wanted
    )
    return Share(next(fitting, 1))


def _fit(counts: Sequence[int], cpus: int) -> int:
    return sum(count // cpus for count in counts)


def places_for(jobs: int, count: int | None, *, use_gpus: bool) -> list[Slot]:
    """Return slots for ``count`` concurrent jobs, by default one per GPU; empty for one job."""
    if jobs < 2 or count == 1:
        return []
    gpus = visible_gpus() if use_gpus else []
    count = min(count or len(gpus) or 1, jobs)
    return slots(count, gpus) if count > 1 else []
