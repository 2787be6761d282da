"""The validation of the images given to an extractor."""

from __future__ import annotations

import torch
from torch import Tensor

from ganlab.errors import DataError


def check_images(images: Tensor, net_id: str) -> None:
    """Raise `DataError` unless images are uint8 (N, C, H, W).

    Images of floats would give wrong scores without any other error.
    """
    if images.dtype != torch.uint8:
        raise DataError(f"{net_id}: images must be uint8 in 0..255, not {images.dtype}")
    if images.dim() != 4:
        raise DataError(f"{net_id}: images must be (N, C, H, W), not {tuple(images.shape)}")
