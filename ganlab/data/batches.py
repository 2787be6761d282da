"""Batches without end, from a dataset that stays on the device."""

from __future__ import annotations

import torch
from torch import Tensor

from ganlab.across import mine, world_size
from ganlab.data.prepared import Prepared
from ganlab.errors import DataError
from ganlab.seeds import mix


class Batches:
    """An endless stream of passes over the data, each in an order of its own.

    A batch may straddle two passes, so none is partial and no image is dropped. There is no state:
    the order of pass p depends on ``seed`` and p alone, so a batch is known by its number. Of a
    batch that several processes share, each makes its slice of every one of the ``parts``.
    """

    def __init__(
        self,
        data: Prepared,
        *,
        batch_size: int,
        seed: int,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
        flip: bool = False,
        parts: int = 1,
    ) -> None:
        self.size = len(data.images)
        if self.size < batch_size:
            raise DataError(
                f"{data.source} has {self.size} images, fewer than a batch of {batch_size}: "
                f"set train.batch_size to {self.size} or less"
            )
        self.batch_size = batch_size
        self.seed = seed
        self.device = device
        self.dtype = dtype
        self.flip = flip
        self.parts = parts
        self._images = data.images.to(device)
        self._labels = data.labels.to(device)
        self._orders: dict[int, Tensor] = {}

    def batch(self, number: int) -> tuple[Tensor, Tensor]:
        """Return images (B, C, S, S) in [-1, 1] and labels (B,) of the batch with this number.

        Flips are drawn from torch's global generator of the device; the device is not waited for.
        """
        indices = mine(self._indices(number), parts=self.parts)
        x = self._images[indices].float().div_(127.5).sub_(1)
        if self.flip:
            whole = torch.rand(self.batch_size, 1, 1, 1, device=self.device)
            mirrored = mine(whole, parts=self.parts) < 0.5
            x = torch.where(mirrored, x.flip(3), x)
        return x.to(self.dtype), self._labels[indices]

    def labels(self, n: int) -> Tensor:
        """Return labels (n,) drawn as they are distributed in the data, by the same generator."""
        whole = torch.randint(self.size, (n * world_size(),), device=self.device)
        return self._labels[mine(whole)]

    def _indices(self, number: int) -> Tensor:
        """Return (B,) int64: where in the dataset the batch's images are."""
        turn, start = divmod(number * self.batch_size, self.size)
        indices = self._order(turn)[start : start + self.batch_size]
        missing = self.batch_size - len(indices)
        if missing == 0:
            return indices
        return torch.cat([indices, self._order(turn + 1)[:missing]])

    def _order(self, turn: int) -> Tensor:
        """Return the permutation (N,) of one pass; the latest two are kept."""
        if turn not in self._orders:
            generator = torch.Generator().manual_seed(mix(self.seed, "pass", turn))
            order = torch.randperm(self.size, generator=generator)
            if self.device.type == "cuda":  # only pinned memory is copied without waiting
                order = order.pin_memory()
            kept = {t: o for t, o in self._orders.items() if t in (turn - 1, turn + 1)}
            self._orders = {**kept, turn: order.to(self.device, non_blocking=True)}
        return self._orders[turn]
