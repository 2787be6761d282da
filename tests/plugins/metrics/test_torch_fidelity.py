"""The metrics equal the results of torch_fidelity.calculate_metrics for the same images."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from ganlab import MetricInput
from tests.plugins.metrics.helpers import metric

SIDE, WIDTH, CLASSES = 8, 5, 3


def project(images: Tensor, width: int, seed: int) -> Tensor:
    """Return random projections (N, width) of the first channel of uint8 images (N, 3, H, W)."""
    weights = torch.randn(SIDE * SIDE, width, generator=torch.Generator().manual_seed(seed))
    return (images[:, 0].flatten(1).float() / 127.5 - 1) @ weights / SIDE


@pytest.fixture
def registered() -> Iterator[str]:
    from torch_fidelity import FeatureExtractorBase, register_feature_extractor, registry

    class Tiny(FeatureExtractorBase):
        def __init__(self, name: str, features_list: list[str], **_: Any) -> None:
            super().__init__(name, features_list)

        @staticmethod
        def get_provided_features_list() -> tuple[str, ...]:
            return ("features", "logits")

        @staticmethod
        def get_default_feature_layer_for_metric(metric: str) -> str:
            return "logits" if metric == "isc" else "features"

        @staticmethod
        def can_be_compiled() -> bool:
            return False

        @staticmethod
        def get_dummy_input_for_compile() -> Tensor:
            return torch.zeros(1, 3, SIDE, SIDE, dtype=torch.uint8)

        def forward(self, images: Tensor) -> tuple[Tensor, ...]:
            assert images.dtype == torch.uint8
            layers = {
                "features": project(images, WIDTH, seed=0),
                "logits": project(images, CLASSES, seed=1),
            }
            return tuple(layers[name] for name in self.features_list)

    register_feature_extractor("tiny-of-a-test", Tiny)
    yield "tiny-of-a-test"
    registry.FEATURE_EXTRACTORS_REGISTRY.pop("tiny-of-a-test")


def written(folder: Path, images: Tensor) -> str:
    """Write grey uint8 images (N, 3, H, W) as PNG files whose names sort like the images."""
    folder.mkdir()
    for i, image in enumerate(images):
        pixels = np.ascontiguousarray(image.permute(1, 2, 0).numpy())
        Image.fromarray(pixels).save(folder / f"{i:04}.png")
    return str(folder)


def test_all_four_equal_calculate_metrics(registered: str, tmp_path: Path) -> None:
    from torch_fidelity import calculate_metrics

    generator = torch.Generator().manual_seed(0)
    grey = torch.randint(256, (150, 1, SIDE, SIDE), generator=generator, dtype=torch.uint8)
    images = {"fake": grey[:70] // 2 + 30, "real": grey[70:]}
    images = {name: of.expand(-1, 3, -1, -1) for name, of in images.items()}
    fake, real = (
        MetricInput(
            features=project(of, WIDTH, seed=0),
            logits=project(of, CLASSES, seed=1),
            labels=torch.zeros(len(of), dtype=torch.int64),
        )
        for of in images.values()
    )
    reference = calculate_metrics(
        input1=written(tmp_path / "fake", images["fake"]),
        input2=written(tmp_path / "real", images["real"]),
        feature_extractor=registered,
        isc=True,
        fid=True,
        kid=True,
        prc=True,
        isc_splits=5,
        kid_subsets=10,
        kid_subset_size=40,
        prc_neighborhood=3,
        cuda=False,
        cache=False,
        save_cpu_ram=True,  # no worker processes
        verbose=False,
    )
    computed = (
        metric("is", splits=5).compute(fake, real)
        | metric("fid").compute(fake, real)
        | metric("kid", subsets=10, subset_size=40).compute(fake, real)
        | metric("prc").compute(fake, real)
    )
    expected = {
        "is": reference["inception_score_mean"],
        "is_sd": reference["inception_score_std"],
        "fid": reference["frechet_inception_distance"],
        "kid": reference["kernel_inception_distance_mean"],
        "kid_sd": reference["kernel_inception_distance_std"],
        "prc": reference["f_score"],
        "precision": reference["precision"],
        "recall": reference["recall"],
    }
    assert computed == pytest.approx(expected, rel=1e-6, abs=1e-6)
    # Precision and recall differ, so that swapped sets would be detected.
    assert reference["precision"] != reference["recall"]
