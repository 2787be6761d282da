"""CLIP's image encoders, which have seen far more than ImageNet."""

from __future__ import annotations

import io
import warnings
from typing import Literal

import torch

from ganlab import Extractor, ExtractorNet, hookimpl
from ganlab.seeds import seeded

from ._fidelity import HEX, FidelityNet, Published, get


class Clip(Extractor):
    """The image embedding of a CLIP model, 512 features for ViT-B/32. No logits.

    Images are resized without antialiasing, to 224 x 224 by most models. The weights, 354 MB for
    ViT-B/32, are looked for in torch.hub's folder and downloaded once. They are a program, which
    is run only if it has the published hash. It is used only where it is named.
    """

    name = "clip"
    paper = "Radford et al., 2021, arXiv:2103.00020"

    model: Literal[
        "rn50",
        "rn101",
        "rn50x4",
        "rn50x16",
        "rn50x64",
        "vit-b-32",
        "vit-b-16",
        "vit-l-14",
        "vit-l-14-336px",
    ] = "vit-b-32"
    """Which of the published models."""

    def load(self, dataset: str, channels: int) -> ExtractorNet:
        from torch_fidelity import feature_extractor_clip as clip

        architecture = f"clip-{self.model}"
        sha = clip.MODEL_METADATA[architecture]["hash"]
        wanted = Published(
            architecture,
            clip.MODEL_URLS[architecture],
            f"{architecture}-{sha}.pt",
            sha,
            replaceable=False,
        )
        found = get(wanted, own=None, dataset=dataset, name=self.name)
        with seeded(0, torch.device("cpu")), warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # TorchScript is on its way out
            network = clip.FeatureExtractorCLIP(
                architecture,
                ["clip"],
                feature_extractor_weights_path=io.BytesIO(found.content),
            )
        return FidelityNet(network, f"{architecture}-{found.sha256[:HEX]}")


@hookimpl
def register_extractors() -> list[type[Extractor]]:
    return [Clip]
