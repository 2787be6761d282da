"""CIFAR-10: small photographs in ten classes."""

from __future__ import annotations

from ganlab import Dataset, hookimpl

from ._cifar import Cifar


class Cifar10(Cifar):
    """Vehicles and animals in ten classes, colour, 32 x 32: 50,000 and 10,000 for tests."""

    name = "cifar10"
    paper = "Krizhevsky 2009: Learning multiple layers of features from tiny images"
    torchvision_name = "CIFAR10"


@hookimpl
def register_datasets() -> list[type[Dataset]]:
    return [Cifar10]
