"""Seeding of random number generators, so that a step does not depend on earlier random draws."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def derive_seed(*parts: int | str) -> int:
    """Return a 63-bit hash of ``parts`` as a seed; similar parts give unrelated seeds."""
    text = "/".join(map(str, parts)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest()) >> 1


def seed_everything(seed: int, device: torch.device) -> None:
    """Seed torch's generators for the CPU and ``device``, and those of NumPy and Python.

    `torch.manual_seed` seeds every device and takes a hundred times as long.
    """
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.default_generators[device.index or 0].manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)


def torch_states(device: torch.device) -> list[torch.Tensor]:
    """Return the states of torch's generators for the CPU and, if it is another, this device."""
    states = [torch.default_generator.get_state()]
    if device.type == "cuda":
        states.append(torch.cuda.default_generators[device.index or 0].get_state())
    return states


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seed all generators inside the context, and restore their states at the end."""
    python, numpy = random.getstate(), np.random.get_state()
    devices = [device.index or 0] if device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        seed_everything(seed, device)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)
