"""The extractor that comes with ganlab: three small classifiers, trained on the dataset itself."""

from __future__ import annotations

from ganlab import Extractor, ExtractorNet, hookimpl
from ganlab.errors import DataError, DataUnavailable

from ._weights import SHIPPED, find, made_here, read

ENSEMBLE = "cnn1x3"
JUDGE = "judge1"


class Cnn(Extractor):
    """Features of all layers of three classifiers of 101k parameters; works offline.

    The weights for `mnist` and `digits` are part of ganlab, so their scores compare anywhere.
    Those for another dataset are made once, on this machine; scores name them by their hash.
    """

    name = "cnn"

    @classmethod
    def place(cls, channels: int) -> int:
        return 1 if channels == 1 else 2

    def load(self, dataset: str, channels: int) -> ExtractorNet:
        return _load(ENSEMBLE, dataset, channels)

    def judge(self, dataset: str, channels: int) -> ExtractorNet:
        return _load(JUDGE, dataset, channels)


def _load(recipe: str, dataset: str, channels: int) -> ExtractorNet:
    file = find(recipe, dataset, SHIPPED) or find(recipe, dataset, made_here())
    if file is None:
        raise DataUnavailable(
            f"there is no extractor for '{dataset}' yet; "
            f"make one: python -m ganlab_plugins.extractors._train {dataset}"
        )
    net = read(file)
    if channels != net.channels and (net.channels, channels) != (1, 3):
        raise DataError(f"{net.id} is for images of {net.channels} channels, not {channels}")
    return net


@hookimpl
def register_extractors() -> list[type[Extractor]]:
    return [Cnn]
