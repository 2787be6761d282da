"""The Inception-v3 network with which published FIDs are computed."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from ganlab import Extractor, ExtractorNet, hookimpl

from ._fidelity import Published, load_network

PUBLISHED = Published(
    "inception-v3-compat",
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
    "weights-inception-2015-12-05-6726825d.pth",
    "weights-inception-2015-12-05-6726825d.pth",
    "6726825d",
)


class Inception(Extractor):
    """2,048 features and 1,008 logits (without bias) of Inception-v3, trained on ImageNet.

    Images of any size are resized to 299 x 299 with the method of TensorFlow 1. The weights (91 MB)
    are read from torch.hub's folder and downloaded once if they are missing. A CPU takes 110 to
    180 seconds per 1,000 images. For grey images this extractor is not chosen by default; name it
    in the experiment or on the command line.
    """

    name = "inception"
    paper = "Heusel et al., 2017, arXiv:1706.08500; the network: Szegedy et al., 2016, 1512.00567"
    published: ClassVar[bool] = True

    weights: Path | None = None
    """File of weights. null: the published weights in torch.hub's folder. Scores are comparable
    with published scores only with the published weights."""

    @classmethod
    def priority(cls, channels: int) -> int | None:
        return 1 if channels == 3 else None

    def load(self, dataset: str, channels: int) -> ExtractorNet:
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

        return load_network(
            FeatureExtractorInceptionV3,
            ["2048", "logits_unbiased"],
            PUBLISHED,
            own=self.weights,
            dataset=dataset,
            name=self.name,
        )


@hookimpl
def register_extractors() -> list[type[Extractor]]:
    return [Inception]
