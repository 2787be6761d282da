"""torch-fidelity's networks as extractors: verified weights, checked images."""

from __future__ import annotations

import hashlib
import io
import logging
import os
import pickle
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

import torch
from torch import Tensor, nn

from ganlab import ExtractorNet
from ganlab.errors import DataError, DataUnavailable
from ganlab.seeds import seeded

from ..datasets._download import MISHAPS, find_server, quietly
from ._images import check_images

log = logging.getLogger("ganlab")

HEX = 12
"""How many digits of the hash are in an id."""


@dataclass(frozen=True)
class Published:
    """A file of weights that everybody can have."""

    architecture: str
    """What the id begins with: ``inception-v3-compat``."""

    url: str
    file_name: str
    """In torch.hub's folder of checkpoints, where torch-fidelity looks for it too."""

    sha256: str
    """The hash of the file, or how it begins."""

    replaceable: bool = True
    """True if the extractor has the option ``weights``."""

    @property
    def place(self) -> Path:
        return checkpoints() / self.file_name


@dataclass(frozen=True)
class Weights:
    """What a file of weights holds, and its hash."""

    content: bytes
    sha256: str
    published: bool


def checkpoints() -> Path:
    """Return torch.hub's folder of checkpoints: TORCH_HOME or ``~/.cache/torch``, and below."""
    return Path(torch.hub.get_dir()) / "checkpoints"


def get(wanted: Published, *, own: Path | None, dataset: str, name: str) -> Weights:
    """Return the weights in the file ``own``, else in torch.hub's folder, else download them.

    A published file is known by its hash. Only ``own`` may be another one. Raises `DataError` for
    a file that is not what it should be, `DataUnavailable` if there is none.
    """
    if own is None and not wanted.place.is_file():
        _download(wanted, dataset=dataset, name=name)
    file = own or wanted.place
    try:
        content = file.read_bytes()
    except OSError as error:
        raise DataError(f"{name}: cannot read {file}: {error.strerror or error}") from error
    sha = hashlib.sha256(content).hexdigest()
    published = sha.startswith(wanted.sha256)
    if own is None and not published:
        raise DataError(
            f"{file} is damaged or another file: its SHA-256 begins with {sha[:8]}, not with "
            f"{wanted.sha256[:8]}; delete it, and the next command downloads it again"
        )
    return Weights(content, sha, published)


def _download(wanted: Published, *, dataset: str, name: str) -> None:
    """Download a published file into torch.hub's folder: whole and with its hash, or not at all."""
    place = wanted.place

    def into(folder: Path) -> None:
        torch.hub.download_url_to_file(
            wanted.url, str(folder / wanted.file_name), hash_prefix=wanted.sha256
        )

    try:
        find_server([wanted.url])
        place.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".download-", dir=place.parent) as folder:
            quietly(into, Path(folder))
            os.replace(Path(folder) / wanted.file_name, place)
    except MISHAPS as error:
        reason = f"not in {place.parent}, and the download failed ({reason_of(error)})"
        own = " or name it with --weights FILE" if wanted.replaceable else ""
        get_it = f"Get {wanted.url} elsewhere and put it at {place}{own}"
        raise unavailable(name, reason, get_it, dataset) from error


def unavailable(name: str, tried: str, get_it: str, dataset: str) -> DataUnavailable:
    """Return the error of weights that cannot be had: what was tried, and the ways out."""
    return DataUnavailable(
        f"{name} cannot be had: {tried}. (1) {get_it}; (2) offline, make an extractor from the "
        f"data: ganlab extractor train {dataset}"
    )


def reason_of(error: Exception) -> str:
    """Return why a download failed, in one short line."""
    reason = " ".join(str(getattr(error, "reason", error)).split()) or type(error).__name__
    return textwrap.shorten(reason, 160)


def state_of(weights: Weights, file: Path) -> dict[str, Tensor]:
    """Return the tensors of a state dict that torch.save wrote; nothing in it is executed."""
    try:
        state = torch.load(io.BytesIO(weights.content), map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, *MISHAPS, ValueError, LookupError, TypeError) as error:
        raise DataError(
            f"{file} is damaged, or no state dict that torch.save wrote; get it again"
        ) from error
    tensors = isinstance(state, Mapping) and all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in state.items()
    )
    if not tensors:
        raise DataError(f"{file} holds no state dict: tensors by name, and nothing else")
    return dict(state)


def load_network(
    kind: type[Any],
    layers: list[str],
    wanted: Published,
    *,
    own: Path | None,
    dataset: str,
    name: str,
) -> FidelityNet:
    """Return one of torch-fidelity's networks, its weights from a state dict.

    Its classes read a file with ``weights_only=False``: what they read here is a copy, written by
    this process, of tensors that were read safely.
    """
    found = get(wanted, own=own, dataset=dataset, name=name)
    file = own or wanted.place
    copy = io.BytesIO()
    torch.save(state_of(found, file), copy)
    copy.seek(0)
    with seeded(0, torch.device("cpu")):  # weights that are drawn only to be replaced
        try:
            network = kind(wanted.architecture, layers, feature_extractor_weights_path=copy)
        except RuntimeError as error:
            what = textwrap.shorten(" ".join(str(error).split()).partition(": ")[2], 120)
            raise DataError(f"{file} holds the weights of another network: {what}") from error
    architecture = wanted.architecture
    if not found.published:
        architecture = f"{name}-own"
        log.warning(
            "%s is not the published %s (its SHA-256 begins with %s, not with %s): scores with it "
            "do not compare with published ones",
            file,
            name,
            found.sha256[:8],
            wanted.sha256[:8],
        )
    return FidelityNet(network, f"{architecture}-{found.sha256[:HEX]}")


class FidelityNet(ExtractorNet):
    """One of torch-fidelity's networks: features, and logits if it has a layer of them."""

    def __init__(self, network: nn.Module, net_id: str) -> None:
        super().__init__()
        self.id = net_id
        self.class_names = ()
        self.network = network
        self.has_logits = len(network.features_list) > 1  # type: ignore[arg-type]
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> Self:
        """Stay in eval mode, even if a network that contains this one is set to train."""
        return super().train(False)

    @torch.no_grad()
    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return features (N, D) and logits (N, K), float32, of uint8 (N, C, H, W).

        C is 1 or 3; grey images count as colour images with three equal channels. K is 0 for a
        network without logits.
        """
        check_images(images, self.id)
        channels = images.shape[1]
        if channels not in (1, 3):
            raise DataError(f"{self.id}: images must have 1 or 3 channels, not {channels}")
        with torch.autocast(images.device.type, enabled=False):
            features, *rest = self.network(images.expand(-1, 3, -1, -1))
        return features, rest[0] if rest else features[:, :0]
