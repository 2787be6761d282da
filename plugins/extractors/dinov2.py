"""DINOv2, whose distances agree with human judgement better than those of Inception."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

import torch

from ganlab import Extractor, ExtractorNet, hookimpl
from ganlab.errors import DataError
from ganlab.seeds import seeded

from ._fidelity import HEX, FidelityNet, Weights, checkpoints, state_of, unavailable

REPOSITORY = "facebookresearch/dinov2"
LETTERS = {"vit-s-14": "s", "vit-b-14": "b", "vit-l-14": "l", "vit-g-14": "g"}


class Dinov2(Extractor):
    """The class token of a DINOv2 model: 384, 768, 1,024 or 1,536 features, no logits.

    Images are resized to 224 x 224 without antialiasing. The code and the weights must be in
    torch.hub's folder. They are not downloaded, because no hash is published that could verify
    them. This extractor is never chosen by default; name it in the experiment or on the command
    line.
    """

    name = "dinov2"
    paper = "Stein et al., 2023, arXiv:2306.04675; the network: Oquab et al., 2023, 2304.07193"

    model: Literal["vit-s-14", "vit-b-14", "vit-l-14", "vit-g-14"] = "vit-l-14"
    """The published model to use."""

    def load(self, dataset: str, channels: int) -> ExtractorNet:
        from torch_fidelity.feature_extractor_dinov2 import FeatureExtractorDinoV2

        file = self._find(dataset)
        content = file.read_bytes()
        sha = hashlib.sha256(content).hexdigest()
        state_of(Weights(content, sha, published=False), file)  # torch.hub may run code
        architecture = f"dinov2-{self.model}"
        try:
            with seeded(0, torch.device("cpu")):  # the constructor draws weights it then replaces
                network = FeatureExtractorDinoV2(architecture, ["dinov2"])
        except Exception as error:  # the repository's own code
            reason = " ".join(str(error).split())
            raise DataError(f"dinov2: torch.hub's {REPOSITORY} failed: {reason:.160}") from error
        return FidelityNet(network, f"{architecture}-{sha[:HEX]}")

    def _find(self, dataset: str) -> Path:
        """Return the file of weights. Raises `DataUnavailable` if it or the code is missing."""
        short = f"dinov2_vit{LETTERS[self.model]}14"
        file = checkpoints() / f"{short}_pretrain.pth"
        branches = [f"{REPOSITORY.replace('/', '_')}_{branch}" for branch in ("main", "master")]
        code = [Path(torch.hub.get_dir()) / branch for branch in branches]
        missing = [] if any(folder.is_dir() for folder in code) else [str(code[0])]
        missing += [] if file.is_file() else [str(file)]
        if missing:
            raise unavailable(
                self.name,
                f"torch.hub has no {' and no '.join(missing)}",
                "If you trust its code, run, with network access: "
                f"python -c \"import torch; torch.hub.load('{REPOSITORY}', '{short}')\"",
                dataset,
            )
        return file


@hookimpl
def register_extractors() -> list[type[Extractor]]:
    return [Dinov2]
