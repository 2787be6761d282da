"""Fashion-MNIST: images of clothing."""

from __future__ import annotations

from ganlab import Dataset, hookimpl

from ._idx import IdxDataset


class FashionMnist(IdxDataset):
    """Clothing of 10 classes, grey, 28 x 28: 60,000 training, 10,000 test images."""

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
