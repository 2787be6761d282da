"""The images that are scored: labels by quotas, noise up front, drawn once for each seed."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from ganlab import __version__
from ganlab.errors import DataError
from ganlab.files import cache_dir, write_atomically
from ganlab.sampling import Epoch, Trained, Weights
from ganlab.seeds import derive_seed
from ganlab.training.generate import Bn, noise
from ganlab.types import Prepared

MOST_BYTES = 2_000_000_000
"""What drawn images may take in the cache; the oldest leave first."""

VERSIONS = f"{__version__} {torch.__version__}"
log = logging.getLogger("ganlab")
Draw = Callable[[int], tuple[Tensor, Tensor]]
"""Returns images (N, C, H, W) uint8 and labels (N,) of a sampling seed."""


def quota_labels(reference: Tensor, num_classes: int, *, samples: int, seed: int) -> Tensor:
    """Return labels (samples,) distributed like the reference's, in an order that the seed decides.

    Quotas go by the largest remainder: drawing labels at random would add to the spread of scores.
    """
    counts = torch.bincount(reference, minlength=num_classes).double()
    exact = counts / counts.sum() * samples
    quotas = exact.floor().long()
    missing = samples - int(quotas.sum())
    quotas[(exact - quotas).argsort(descending=True, stable=True)[:missing]] += 1
    labels = torch.repeat_interleave(torch.arange(num_classes), quotas)
    generator = torch.Generator().manual_seed(derive_seed(seed, "labels"))
    return labels[torch.randperm(samples, generator=generator)]


def inputs(reference: Prepared, *, samples: int, z_dim: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return noise (samples, z_dim) and labels (samples,) of a sampling seed."""
    classes = reference.spec.num_classes
    labels = quota_labels(reference.labels, classes, samples=samples, seed=seed)
    return noise(samples, z_dim, seed), labels


def drawer(
    trained: Trained,
    reference: Prepared,
    checkpoint: Mapping[str, Any],
    *,
    samples: int,
    epoch: Epoch = None,
    raw: bool = False,
    bn: Bn = "running",
    truncation: float | None = None,
) -> Draw:
    """Return what draws a run's images; for labels like the reference's.

    They are kept in the cache under the hash of the weights, for whoever asks for more metrics.
    """

    def draw(seed: int) -> tuple[Tensor, Tensor]:
        z_dim = trained.experiment.train.z_dim
        z, labels = inputs(reference, samples=samples, z_dim=z_dim, seed=seed)
        weights = f"{checkpoint['sha256'][:16]}-{'raw' if raw else checkpoint['weights']}-{bn}"
        if truncation is not None:
            weights += f"-t{truncation!r}"
        # Equal weights draw other images in another network, or by other code.
        made_by = _digest(trained.run.info["identity"], trained.code, str(trained.device), VERSIONS)
        name = f"{weights}-{made_by}-{_digest(*labels.tolist())}-{seed}"
        entry = cache_dir() / "samples" / f"{name}.safetensors"
        images = _cached(entry, samples)
        if images is None:
            which: Weights = "raw" if raw else "auto"
            with _only_finite(trained.network(epoch=epoch, weights=which), trained.run.name):
                images = trained.sample(
                    labels, z=z, epoch=epoch, weights=which, bn=bn, truncation=truncation
                )
            _cache(entry, images)
        return images, labels

    return draw


@contextmanager
def _only_finite(network: nn.Module, name: str) -> Iterator[None]:
    """Refuse what is not finite as it leaves the network: rounded to uint8 it looks like pixels."""

    def look(_: nn.Module, inputs: object, images: Tensor) -> None:
        if not torch.isfinite(images).all():
            raise DataError(f"{name} draws pixels that are not finite: there is nothing to score")

    handle = network.register_forward_hook(look)
    try:
        yield
    finally:
        handle.remove()


def _digest(*parts: int | str) -> str:
    return f"{derive_seed(*parts):016x}"


def _cached(entry: Path, count: int) -> Tensor | None:
    try:
        with safe_open(entry, framework="pt") as file:
            images = file.get_tensor("images")
        os.utime(entry)
    except FileNotFoundError:
        return None
    except (SafetensorError, OSError) as error:
        log.warning("the cached images %s are damaged (%s): drawn again", entry, error)
        return None
    return images if len(images) == count else None


def _cache(entry: Path, images: Tensor) -> None:
    data = save({"images": images.contiguous()})
    if len(data) > MOST_BYTES // 4:
        return
    try:
        os.makedirs(entry.parent, mode=0o700, exist_ok=True)
        others = sorted(entry.parent.glob("*.safetensors"), key=lambda file: file.stat().st_mtime)
        size = len(data) + sum(file.stat().st_size for file in others)
        for file in others:
            if size <= MOST_BYTES:
                break
            size -= file.stat().st_size
            file.unlink(missing_ok=True)
        write_atomically(entry, data)
    except OSError as error:
        log.warning("drawn images are not cached in %s: %s", entry.parent, error)
