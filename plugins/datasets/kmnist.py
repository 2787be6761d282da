"""Kuzushiji-MNIST: cursive Japanese characters."""

from __future__ import annotations

from ganlab import Dataset, hookimpl

from ._idx import IdxDataset


class Kmnist(IdxDataset):
    """Ten cursive hiragana, grey, 28 x 28: 60,000 training, 10,000 test images."""

    name = "kmnist"
    paper = "Clanuwat, Bober-Irizar, Kitamoto, Lamb, Yamamoto, Ha 2018, arXiv 1812.01718"
    torchvision_name = "KMNIST"
    titles = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")


@hookimpl
def register_datasets() -> list[type[Dataset]]:
    return [Kmnist]
