"""A cache of results that belong to a tensor of features, such as the reference's statistics."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TypeVar

from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

Result = TypeVar("Result")

_cache: WeakTensorKeyDictionary = WeakTensorKeyDictionary()


def cached(features: Tensor, name: str, compute: Callable[[], Result], *more: Tensor) -> Result:
    """Return ``compute()``, cached for ``features``, ``name`` and the contents of ``more``.

    The result is kept until ``features`` is garbage-collected. It is computed again if ``features``
    was modified in place.
    """
    digest = hashlib.sha256(name.encode())
    for tensor in more:
        digest.update(tensor.cpu().contiguous().numpy().tobytes())
    results = _cache.setdefault(features, {})
    key = (digest.digest(), features._version)
    if key not in results:
        results[key] = compute()
    result: Result = results[key]
    return result
