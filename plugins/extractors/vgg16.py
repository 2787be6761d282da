"""VGG-16, with which improved precision and recall were originally computed."""

from __future__ import annotations

from pathlib import Path

from ganlab import Extractor, ExtractorNet, hookimpl

from ._fidelity import Published, load_network

PUBLISHED = Published(
    "vgg16",
    "https://download.pytorch.org/models/vgg16-397923af.pth",
    "vgg16-397923af.pth",
    "397923af",
)


class Vgg16(Extractor):
    """4,096 features of VGG-16 (second hidden layer), trained on ImageNet; no logits.

    Images are resized to 224 x 224 without antialiasing. The weights (528 MB) are read from
    torch.hub's folder and downloaded once if they are missing. This extractor is never chosen by
    default; name it in the experiment or on the command line.
    """

    name = "vgg16"
    paper = (
        "Kynkäänniemi et al., 2019, arXiv:1904.06991; the network: Simonyan & Zisserman, 1409.1556"
    )

    weights: Path | None = None
    """File of weights. null: the published weights in torch.hub's folder. Scores are comparable
    with published scores only with the published weights."""

    def load(self, dataset: str, channels: int) -> ExtractorNet:
        from torch_fidelity.feature_extractor_vgg16 import FeatureExtractorVGG16

        return load_network(
            FeatureExtractorVGG16,
            ["fc2_relu"],
            PUBLISHED,
            own=self.weights,
            dataset=dataset,
            name=self.name,
        )


@hookimpl
def register_extractors() -> list[type[Extractor]]:
    return [Vgg16]
