"""CIFAR-100: small photographs of a hundred classes."""

from __future__ import annotations

from ganlab import Dataset, hookimpl

from ._cifar import Cifar


class Cifar100(Cifar):
    """Objects of 100 classes, colour, 32 x 32: 50,000 training, 10,000 test images."""

    name = "cifar100"
    paper = "Krizhevsky 2009: Learning multiple layers of features from tiny images"
    torchvision_name = "CIFAR100"


@hookimpl
def register_datasets() -> list[type[Dataset]]:
    return [Cifar100]
