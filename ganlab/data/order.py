"""The order in which batches visit the images of a dataset."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from ganlab.distributed import local
from ganlab.seeds import derive_seed


class Order:
    """An endless stream of passes over the data, each in its own random order.

    A batch may contain the end of one pass and the start of the next, so no batch is partial and
    no image is dropped. The order of pass p depends only on ``seed`` and p, so the batch number
    alone determines a batch.
    """

    def __init__(self, *, size: int, batch_size: int, seed: int, parts: int = 1) -> None:
        self.size = size
        self.batch_size = batch_size
        self.seed = seed
        self.parts = parts
        self.device = torch.device("cpu")
        self._passes: dict[int, Tensor] = {}

    def to(self, device: torch.device) -> Order:
        """Return a copy whose indices are on a device."""
        other = copy.copy(self)
        other.device, other._passes = device, {}
        return other

    def indices(self, number: int) -> Tensor:
        """Return the dataset indices of the batch's images, (B,) int64 on the device.

        If several processes share the batch, return the indices of this process's images.
        """
        return local(self._indices(number), parts=self.parts)

    def _indices(self, number: int) -> Tensor:
        pass_number, start = divmod(number * self.batch_size, self.size)
        indices = self._pass(pass_number)[start : start + self.batch_size]
        missing = self.batch_size - len(indices)
        if missing == 0:
            return indices
        return torch.cat([indices, self._pass(pass_number + 1)[:missing]])

    def _pass(self, pass_number: int) -> Tensor:
        """Return the permutation (N,) of one pass. The two latest permutations are kept."""
        if pass_number not in self._passes:
            generator = torch.Generator().manual_seed(derive_seed(self.seed, "pass", pass_number))
            order = torch.randperm(self.size, generator=generator)
            if self.device.type == "cuda":  # only pinned memory is copied without waiting
                order = order.pin_memory()
            kept = {
                number: indices
                for number, indices in self._passes.items()
                if number in (pass_number - 1, pass_number + 1)
            }
            self._passes = {**kept, pass_number: order.to(self.device, non_blocking=True)}
        return self._passes[pass_number]
