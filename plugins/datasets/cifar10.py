"""CIFAR-10: small photographs of ten classes."""

from __future__ import annotations

from ganlab import Dataset, hookimpl

from ._cifar import Cifar


class Cifar10(Cifar):
    """Vehicles and animals, 10 classes, colour, 32 x 32: 50,000 training, 10,000 test images."""

    name = "cifar10"
    paper = "Krizhevsky 2009: Learning multiple layers of features from tiny images"
    torchvision_name = "CIFAR10"


@hookimpl
def register_datasets() -> list[type[Dataset]]:
    return [Cifar10]
