"""The Inception-v3 that published FIDs come from."""

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
    """2,048 features and 1,008 unbiased logits of Inception-v3, trained on ImageNet.

    Images of any size are resized to 299 x 299 as TensorFlow 1 does it. The weights, 91 MB, are
    looked for in torch.hub's folder and downloaded once. A CPU takes 110 to 180 seconds for 1,000
    images. For grey images it is used only where it is named.
    """

    name = "inception"
    paper = "Heusel et al., 2017, arXiv:1706.08500; the network: Szegedy et al., 2016, 1512.00567"
    published: ClassVar[bool] = True

    weights: Path | None = None
    """A file of weights instead of torch.hub's; only the published ones give comparable scores."""

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
