"""Fashion-MNIST: pieces of clothing."""

from __future__ import annotations

from ganlab import Dataset, hookimpl

from ._idx import IdxDataset


class FashionMnist(IdxDataset):
    """Pieces of clothing in ten classes, grey, 28 x 28: 60,000 for training, 10,000 for tests."""

    name = "fashion-mnist"
    paper = "Xiao, Rasul, Vollgraf 2017, arXiv 1708.07747"
    torchvision_name = "FashionMNIST"
    titles = (
        "t-shirt",
        "trousers",
        "pullover",
        "dress",
        "coat",
        "sandal",
        "shirt",
        "sneaker",
        "bag",
        "ankle boot",
    )


@hookimpl
def register_datasets() -> list[type[Dataset]]:
    return [FashionMnist]
