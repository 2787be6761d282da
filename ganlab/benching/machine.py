"""Describe the machine of a measurement."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

import torch

from ganlab.training.record import describe_machine


def describe(device: str) -> dict[str, Any]:
    """Return software versions and hardware, as plain data."""
    return {"processor": processor(), **describe_machine(torch.device(device))}


def summary(device: str) -> str:
    """Return software versions and hardware in one line."""
    about = describe(device)
    threads = f"{about['threads']} thread{'s' if about['threads'] > 1 else ''}"
    where = about["gpu"] or f"{about['processor']}, {threads} on {about['processors']} processors"
    return f"{where}; Python {about['python']}, torch {about['torch']}"


def processor() -> str:
    """Return the processor's name, or its architecture if the name is unknown."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())
