"""What a dataset is once it is ready for training and scoring."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from ganlab.step import DataSpec

CHUNK = 256
"""How many images are hashed at a time."""


@dataclass(frozen=True)
class Prepared:
    """Images of one size with their labels; `ganlab.data.prepare.prepare` makes it."""

    images: Tensor
    """(N, C, S, S) uint8. Of the cache they are mapped: read when they are looked at, from a file
    that nobody changes by changing them."""

    labels: Tensor
    """(N,) int64, from 0 to ``spec.num_classes - 1``"""

    spec: DataSpec

    sha256: str
    """Of images, labels and class names: it names the content, wherever it came from."""

    source: str
    """The dataset's name, as it is recorded in a run."""


def content_hash(images: Tensor, labels: Tensor, class_names: Sequence[str]) -> str:
    """Return the SHA-256 of images (N, C, S, S) uint8, labels (N,) int64 and class names."""
    header = {"shape": list(images.shape), "class_names": list(class_names)}
    digest = hashlib.sha256(json.dumps(header).encode())
    for part in images.split(CHUNK):
        digest.update(part.contiguous().numpy().data)
    digest.update(labels.contiguous().numpy().data)
    return digest.hexdigest()
