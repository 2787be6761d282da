"""The digits are available offline and have a fixed stratified test split."""

from __future__ import annotations

import numpy as np
from ganlab_plugins.datasets.digits import Digits
from sklearn.datasets import load_digits

from ganlab.data.prepare import prepare


def test_splits_are_disjoint_and_stratified() -> None:
    train, test = (prepare(Digits(image_size=8), split=split) for split in ("train", "test"))
    assert (len(train.images), len(test.images)) == (1500, 297)
    assert test.labels.bincount().tolist() == [29, 30, 29, 30, 30, 30, 30, 30, 29, 30]
    seen = {image.numpy().tobytes() for image in train.images}
    assert not seen & {image.numpy().tobytes() for image in test.images}


def test_pixels_range_from_black_to_white() -> None:
    found = load_digits()
    data = prepare(Digits(image_size=8))
    assert (data.images.min(), data.images.max()) == (0, 255)
    assert set(data.images.unique().tolist()) == {round(v * 255 / 16) for v in range(17)}
    originals = {np.rint(image * 255 / 16).astype(np.uint8).tobytes() for image in found.images}
    assert all(image.numpy().tobytes() in originals for image in data.images)
