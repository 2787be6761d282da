"""Generated images to score, with labels in the proportions of the reference."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from ganlab.errors import DataError
from ganlab.evaluation.protocol import FORMAT
from ganlab.events import Tell, ignore
from ganlab.files import cache_dir, write_atomically
from ganlab.sampling import Epoch, Trained
from ganlab.seeds import derive_seed
from ganlab.training.generate import Bn, generate_images, noise
from ganlab.types import Prepared
from ganlab.version import __version__

MOST_BYTES = 2_000_000_000
"""Size limit of the cache of generated images, in bytes; the oldest are removed first."""

VERSIONS = f"{__version__} {torch.__version__}"

log = logging.getLogger("ganlab")
Draw = Callable[[int], tuple[Tensor, Tensor]]
"""Returns images (N, C, H, W) uint8 and labels (N,) of a sampling seed."""


def quota_labels(reference: Tensor, num_classes: int, *, samples: int, seed: int) -> Tensor:
    """Return labels (samples,) distributed like the reference's, in an order given by the seed.

    Each class gets its quota by the largest-remainder method. Labels drawn at random would add to
    the spread of the scores.
    """
    counts = torch.bincount(reference, minlength=num_classes).double()
    exact = counts / counts.sum() * samples
    quotas = exact.floor().long()
    missing = samples - int(quotas.sum())
    quotas[(exact - quotas).argsort(descending=True, stable=True)[:missing]] += 1
    labels = torch.repeat_interleave(torch.arange(num_classes), quotas)
    generator = torch.Generator().manual_seed(derive_seed(seed, "labels"))
    return labels[torch.randperm(samples, generator=generator)]


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
    tell: Tell = ignore,
) -> Draw:
    """Return a function that generates the images of a sampling seed.

    The labels have the proportions of the reference. The images are cached, with everything that
    they depend on as the key, so that metrics computed later reuse them.

    Raises (the returned function):
        DataError: if a pixel is not finite.
        RunError: if the weights are missing or damaged.
    """

    def draw(seed: int) -> tuple[Tensor, Tensor]:
        classes = reference.spec.num_classes
        labels = quota_labels(reference.labels, classes, samples=samples, seed=seed)
        weights = f"{checkpoint['sha256'][:16]}-{'raw' if raw else checkpoint['weights']}-{bn}"
        if truncation is not None:
            weights += f"-t{truncation!r}"
        # With equal weights, another network, other code or other noise gives other images.
        made_by = _digest(
            trained.run.info["identity"], trained.code, str(trained.device), VERSIONS, FORMAT
        )
        name = f"{weights}-{made_by}-{_digest(*labels.tolist())}-{seed}"
        entry = cache_dir() / "samples" / f"{name}.safetensors"
        images = _cached(entry, samples)
        if images is None:
            z = noise(samples, trained.experiment.train.z_dim, seed)
            network = trained.network(epoch=epoch, weights="raw" if raw else "auto")
            _refuse_non_finite(network, trained.run.name)
            images = generate_images(network, z, labels, bn=bn, truncation=truncation, tell=tell)
            _cache(entry, images)
        return images, labels

    return draw


def _refuse_non_finite(network: nn.Module, name: str) -> None:
    """Make the network raise `DataError` for images that are not finite.

    After rounding to uint8, they would look like valid pixels.
    """

    def check(_: nn.Module, inputs: object, images: Tensor) -> None:
        if not torch.isfinite(images).all():
            raise DataError(f"{name} draws pixels that are not finite: there is nothing to score")

    network.register_forward_hook(check)


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
