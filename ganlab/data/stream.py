"""Prefetch batches from images on the disk in reader processes."""

from __future__ import annotations

import ctypes
import itertools
import os
import signal
import sys
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch._C import _remove_worker_pids
from torch.utils.data import DataLoader, Dataset

from ganlab.data.order import Order
from ganlab.errors import RunError, first_line
from ganlab.machine import available_cpus
from ganlab.types import Prepared

READERS = 2
"""Number of reader processes, but no more than CPUs."""

PREFETCH_BATCHES = 4
"""Number of batches that each reader prefetches. `PREFETCH_BYTES` may lower it, to at least 1."""

PREFETCH_BYTES = 2**25
"""Limit for the prefetched batches of all readers, in bytes: containers often have 64 MiB of
shared memory."""

PR_SET_PDEATHSIG = 1


class Stream:
    """Prefetches batches in the order of their numbers.

    Taking a batch other than the next one restarts the readers, which takes about 0.1 s.
    """

    def __init__(self, data: Prepared, order: Order, device: torch.device) -> None:
        self._order = order
        self._dataset = BatchDataset(data)
        self._device = device
        self._readers: Any = None
        self._next = 0

    def take(self, number: int) -> tuple[Tensor, Tensor]:
        if self._readers is None or number != self._next:
            self.close()
            self._readers = self._start(number)
        try:
            images, labels = next(self._readers)
        except (RuntimeError, OSError, EOFError) as error:  # a dead reader raises any of these
            self.close()
            why = first_line(error).rstrip(". ")
            raise RunError(
                f"a process that reads images ahead has ended ({why}), perhaps because memory ran "
                "out; run the same command again to resume"
            ) from error
        self._next = number + 1
        return (
            images.to(self._device, non_blocking=True),
            labels.to(self._device, non_blocking=True),
        )

    def close(self) -> None:
        if self._readers is not None:
            self._readers._shutdown_workers()  # torch has no public name for it
            self._readers = None

    def _start(self, first: int) -> Any:
        """Return the iterator over the batches from number ``first`` on."""
        readers = min(READERS, available_cpus())
        batch_bytes = self._order.batch_size * self._dataset.image_bytes
        loader = DataLoader(
            self._dataset,
            batch_size=None,  # what the sampler yields is a batch already
            sampler=_batch_indices(first, self._order),
            num_workers=readers,
            prefetch_factor=max(
                1, min(PREFETCH_BATCHES, PREFETCH_BYTES // (readers * batch_bytes))
            ),
            pin_memory=self._device.type == "cuda",
            generator=torch.Generator(),  # else it draws from the generator that training uses
            worker_init_fn=partial(_init_reader, parent=os.getpid()),
            multiprocessing_context="fork",  # the images stay mapped, nothing is copied
        )
        batches: Any = iter(loader)
        # By default torch raises an error in the main thread when a reader dies, possibly inside a
        # plugin or a checkpoint. `take` detects a dead reader too.
        _remove_worker_pids(id(batches))
        batches._worker_pids_set = False
        return batches


class BatchDataset(Dataset[tuple[Tensor, Tensor]]):
    """A dataset whose items are batches."""

    def __init__(self, data: Prepared) -> None:
        self._images = data.images
        self._labels = data.labels
        self.image_bytes = data.images[0].numel()

    def __getitem__(self, indices: np.ndarray) -> tuple[Tensor, Tensor]:
        rows = torch.from_numpy(indices)
        return self._images[rows], self._labels[rows]


def _batch_indices(first: int, order: Order) -> Iterator[np.ndarray]:
    """Yield the indices (B,) of each batch from number ``first`` on."""
    # As an array: a tensor slice would be sent with the storage of its whole pass.
    return (order.indices(number).numpy() for number in itertools.count(first))


def _init_reader(_: int, *, parent: int) -> None:
    """Put a new reader into its own process group, and let the system kill it with the run.

    Ctrl-C and SIGTERM to the run's process group must not stop readers: the run still needs its
    last batch.
    """
    os.setpgid(0, 0)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)
