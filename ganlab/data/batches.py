"""An endless stream of batches, from images on the device or prefetched from the disk."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from ganlab.data.order import Order
from ganlab.data.placement import Placement
from ganlab.data.stream import Stream
from ganlab.distributed import local, world_size
from ganlab.errors import DataError
from ganlab.types import Prepared


class Source(Protocol):
    """A source of batches."""

    def take(self, number: int) -> tuple[Tensor, Tensor]:
        """Return images (B, C, S, S) uint8 and labels (B,) on the device."""

    def close(self) -> None:
        """Stop prefetching and free its resources. A later `take` starts it again."""


class Batches:
    """An endless stream of passes over the data, in the order given by `Order`.

    A batch depends only on its number, not on earlier batches or on where images are kept. If
    several processes share a batch, each makes its slice of every one of the ``parts``.
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
        placement: Placement = "resident",
        parts: int = 1,
    ) -> None:
        self.size = len(data.images)
        if self.size < batch_size:
            raise DataError(
                f"{data.source} has {self.size} images, fewer than a batch of {batch_size}: "
                f"set train.batch_size to {self.size} or less"
            )
        self.batch_size = batch_size
        self.device = device
        self.dtype = dtype
        self.flip = flip
        self.placement = placement
        self.parts = parts
        self._labels = data.labels.to(device)
        kind = Stream if placement == "stream" else Resident
        order = Order(size=self.size, batch_size=batch_size, seed=seed, parts=parts)
        self._source: Source = kind(data, order, device)

    def batch(self, number: int) -> tuple[Tensor, Tensor]:
        """Return images (B, C, S, S) in [-1, 1] and labels (B,) of the batch with this number.

        Flips are drawn from torch's global generator of the device. The call does not wait for the
        device.
        """
        pixels, y = self._source.take(number)
        x = pixels.float().div_(127.5).sub_(1)
        if self.flip:
            whole = torch.rand(self.batch_size, 1, 1, 1, device=self.device)
            mirrored = local(whole, parts=self.parts) < 0.5
            x = torch.where(mirrored, x.flip(3), x)
        return x.to(self.dtype), y

    def labels(self, n: int) -> Tensor:
        """Return labels (n,) with the class frequencies of the data, from the same generator."""
        whole = torch.randint(self.size, (n * world_size(),), device=self.device)
        return self._labels[local(whole)]

    def close(self) -> None:
        """Stop prefetching. The next batch starts it again."""
        self._source.close()


class Resident:
    """All images as uint8 on the device. On the CPU they stay where `prepare` put them."""

    def __init__(self, data: Prepared, order: Order, device: torch.device) -> None:
        self._order = order.to(device)
        self._images = data.images.to(device)
        self._labels = data.labels.to(device)

    def take(self, number: int) -> tuple[Tensor, Tensor]:
        indices = self._order.indices(number)
        return self._images[indices], self._labels[indices]

    def close(self) -> None:
        """Do nothing: there is no prefetching."""
