"""CIFAR-100: small photographs in a hundred classes."""

from __future__ import annotations

from ganlab import Dataset, hookimpl

from ._cifar import Cifar


class Cifar100(Cifar):
    """A hundred kinds of things, colour, 32 x 32: 50,000 for training and 10,000 for tests."""

    name = "cifar100"
    paper = "Krizhevsky 2009: Learning multiple layers of features from tiny images"
    torchvision_name = "CIFAR100"


@hookimpl
def register_datasets() -> list[type[Dataset]]:
    return [Cifar100]
