"""What every extractor asks of the images that it is given."""

from __future__ import annotations

import torch
from torch import Tensor

from ganlab.errors import DataError


def check_images(images: Tensor, net_id: str) -> None:
    """Raise `DataError` for anything but uint8 (N, C, H, W): floats would score, and wrongly."""
    if images.dtype != torch.uint8:
        raise DataError(f"{net_id}: images must be uint8 in 0..255, not {images.dtype}")
    if images.dim() != 4:
        raise DataError(f"{net_id}: images must be (N, C, H, W), not {tuple(images.shape)}")
