"""Random weights of Inception, because the published ones are not available offline."""

from __future__ import annotations

import io
from typing import Any

import torch
from torch import Tensor, nn
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3


def random_inception() -> dict[str, Tensor]:
    """Return a random state dict of the real architecture, from seed 0."""

    class Blank(FeatureExtractorInceptionV3):
        def load_state_dict(self, state: Any) -> None:  # type: ignore[override]
            pass

    empty = io.BytesIO()
    torch.save({}, empty)
    empty.seek(0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = Blank("inception-v3-compat", ["2048"], feature_extractor_weights_path=empty)
        for layer in net.modules():
            if isinstance(layer, nn.Conv2d):  # keeps activations at a constant scale
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    return net.state_dict()
