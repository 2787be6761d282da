"""The extractor that comes with ganlab: three small classifiers, trained on the dataset itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ganlab import Extractor, ExtractorNet, hookimpl
from ganlab.errors import DataError, DataUnavailable
from ganlab.types import Prepared

from ._weights import ENSEMBLE, JUDGE, SHIPPED, find, install, made_here, read


class Cnn(Extractor):
    """Features of all layers of three classifiers of 101k parameters; works offline.

    The weights for `mnist` and `digits` are part of ganlab, so their scores compare anywhere.
    Those for another dataset are made once, on this machine, by ``ganlab extractor train``; scores
    name them by their hash. The classifier is a fourth classifier, trained three times as long.
    Training takes one to three minutes on a CPU.
    """

    name = "cnn"

    directory: Path | None = None
    """The folder with the networks, instead of the shipped ones and those in ganlab's cache."""

    @classmethod
    def priority(cls, channels: int) -> int:
        return 1 if channels == 1 else 2

    def load(self, dataset: str, channels: int) -> ExtractorNet:
        file = self._find(ENSEMBLE, dataset)
        if file is None:
            raise DataUnavailable(
                f"there is no extractor for '{dataset}' yet; "
                f"make one: ganlab extractor train {dataset}"
            )
        return _read(file, channels)

    def classifier(self, dataset: str, channels: int) -> ExtractorNet | None:
        file = self._find(JUDGE, dataset)
        return None if file is None else _read(file, channels)

    def train(self, data: Prepared, test: Prepared, *, say: Callable[[str], None]) -> list[Path]:
        from ._train import make_all

        for recipe in (ENSEMBLE, JUDGE):
            self._refuse(self._find(recipe, data.source))
        return make_all(data, test, self._own_folder, say=say)

    def files(self, dataset: str) -> list[Path]:
        found = [self._find(recipe, dataset) for recipe in (ENSEMBLE, JUDGE)]
        return [part for file in found if file for part in (file, file.with_suffix(".json"))]

    def install(self, files: Sequence[Path]) -> list[Path]:
        """Keep networks and cards; raise `DataError`, and keep none, if one is not sound."""

        def check_free(recipe: str, dataset: str) -> None:
            self._refuse(self._find(recipe, dataset))

        return install(files, self._own_folder, check_free=check_free)

    @property
    def _own_folder(self) -> Path:
        return self.directory or made_here()

    def _find(self, recipe: str, dataset: str) -> Path | None:
        folders = [self.directory] if self.directory else [SHIPPED, made_here()]
        return next((file for f in folders if (file := find(recipe, dataset, f))), None)

    def _refuse(self, file: Path | None) -> None:
        if file is None:
            return
        if file.parent == SHIPPED:
            raise DataError(
                f"{file.name} comes with ganlab, and scores name it; "
                "keep another one in a folder of its own: --output DIR"
            )
        raise DataError(f"{file} is there already, and scores may name it: move it away first")


def _read(file: Path, channels: int) -> ExtractorNet:
    net = read(file)
    if channels != net.channels and (net.channels, channels) != (1, 3):
        raise DataError(f"{net.id} is for images of {net.channels} channels, not {channels}")
    return net


@hookimpl
def register_extractors() -> list[type[Extractor]]:
    return [Cnn]
