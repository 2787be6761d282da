"""The extractor that ships with ganlab: three small classifiers trained on the dataset itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ganlab import Extractor, ExtractorNet, hookimpl
from ganlab.errors import DataError, DataUnavailable
from ganlab.events import Tell, ignore
from ganlab.types import Prepared

from ._weights import CLASSIFIER, ENSEMBLE, SHIPPED, find, install, read, user_folder


class Cnn(Extractor):
    """Features of all layers of three small classifiers of the dataset; works offline.

    Each network has 101k parameters for grey images. The weights for `mnist` and `digits` ship with
    ganlab, so that their scores are comparable everywhere. For another dataset, train the networks
    once with ``ganlab extractor train``, which takes one to three minutes on a CPU; scores record
    the hash of the weights. The classifier that predicts classes is a fourth network, trained three
    times longer.
    """

    name = "cnn"

    directory: Path | None = None
    """Folder of the networks. null: the shipped networks and those in ganlab's cache."""

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
        file = self._find(CLASSIFIER, dataset)
        return None if file is None else _read(file, channels)

    def train(self, data: Prepared, test: Prepared, *, tell: Tell = ignore) -> list[Path]:
        from ._train import make_all

        for recipe in (ENSEMBLE, CLASSIFIER):
            self._refuse(self._find(recipe, data.source))
        return make_all(data, test, self._own_folder, tell=tell)

    def files(self, dataset: str) -> list[Path]:
        found = [self._find(recipe, dataset) for recipe in (ENSEMBLE, CLASSIFIER)]
        return [path for file in found if file for path in (file, file.with_suffix(".json"))]

    def install(self, files: Sequence[Path]) -> list[Path]:
        """Install networks and cards. Raises `DataError` and installs none if one is invalid."""

        def check_free(recipe: str, dataset: str) -> None:
            self._refuse(self._find(recipe, dataset))

        return install(files, self._own_folder, check_free=check_free)

    @property
    def _own_folder(self) -> Path:
        return self.directory or user_folder()

    def _find(self, recipe: str, dataset: str) -> Path | None:
        folders = [self.directory] if self.directory else [SHIPPED, user_folder()]
        return next((file for f in folders if (file := find(recipe, dataset, f))), None)

    def _refuse(self, file: Path | None) -> None:
        if file is None:
            return
        if file.parent == SHIPPED:
            raise DataError(
                f"{file.name} ships with ganlab, and scores refer to it; "
                "save another network in a separate folder: --output DIR"
            )
        raise DataError(f"{file} already exists, and scores may refer to it: move it away first")


def _read(file: Path, channels: int) -> ExtractorNet:
    net = read(file)
    if channels != net.channels and (net.channels, channels) != (1, 3):
        raise DataError(f"{net.id} is for images of {net.channels} channels, not {channels}")
    return net


@hookimpl
def register_extractors() -> list[type[Extractor]]:
    return [Cnn]
