"""MNIST: handwritten digits."""

from __future__ import annotations

from ganlab import Dataset, hookimpl

from ._idx import IdxDataset


class Mnist(IdxDataset):
    """Handwritten digits 0 to 9, grey, 28 x 28: 60,000 training, 10,000 test images."""

    name = "mnist"
    paper = "LeCun, Bottou, Bengio, Haffner 1998: Gradient-based learning for document recognition"
    torchvision_name = "MNIST"
    titles = tuple(str(digit) for digit in range(10))


@hookimpl
def register_datasets() -> list[type[Dataset]]:
    return [Mnist]
