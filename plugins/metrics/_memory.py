"""What was computed of features, kept while those are there: the reference serves every run."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TypeVar

from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

Found = TypeVar("Found")

_known: WeakTensorKeyDictionary = WeakTensorKeyDictionary()


def remembered(features: Tensor, name: str, compute: Callable[[], Found], *more: Tensor) -> Found:
    """Return what ``compute`` gives, once for these features and the content of ``more``."""
    digest = hashlib.sha256(name.encode())
    for tensor in more:
        digest.update(tensor.cpu().contiguous().numpy().tobytes())
    kept = _known.setdefault(features, {})
    key = (digest.digest(), features._version)
    if key not in kept:
        kept[key] = compute()
    found: Found = kept[key]
    return found
