"""The image encoders of CLIP, which are trained on far more images than ImageNet."""

from __future__ import annotations

import io
import warnings
from typing import Literal

import torch

from ganlab import Extractor, ExtractorNet, hookimpl
from ganlab.seeds import seeded

from ._fidelity import HEX, FidelityNet, Published, get


class Clip(Extractor):
    """The image embedding of a CLIP model: 512 features for ViT-B/32, no logits.

    Images are resized without antialiasing, to 224 x 224 for most models. The weights (354 MB for
    ViT-B/32) are read from torch.hub's folder and downloaded once if they are missing. The file is
    a TorchScript program and is run only if it has the published hash. This extractor is never
    chosen by default; name it in the experiment or on the command line.
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
    """The published model to use."""

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
            warnings.simplefilter("ignore", FutureWarning)  # TorchScript is deprecated
            network = clip.FeatureExtractorCLIP(
                architecture,
                ["clip"],
                feature_extractor_weights_path=io.BytesIO(found.content),
            )
        return FidelityNet(network, f"{architecture}-{found.sha256[:HEX]}")


@hookimpl
def register_extractors() -> list[type[Extractor]]:
    return [Clip]
