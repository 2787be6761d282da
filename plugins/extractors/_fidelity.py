"""The networks of torch-fidelity as extractors, with verified weights and validated images."""

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

from ..datasets._download import DOWNLOAD_ERRORS, find_server, quietly
from ._images import check_images

log = logging.getLogger("ganlab")

HEX = 12
"""Number of hexadecimal digits of the hash in an extractor's id."""


@dataclass(frozen=True)
class Published:
    """A published file of weights."""

    architecture: str
    """First part of the extractor's id, such as ``inception-v3-compat``."""

    url: str
    file_name: str
    """File name in torch.hub's folder of checkpoints, which torch-fidelity also uses."""

    sha256: str
    """SHA-256 of the file, or its first digits."""

    replaceable: bool = True
    """True if the extractor has the option ``weights`` to use another file."""

    @property
    def place(self) -> Path:
        return checkpoints() / self.file_name


@dataclass(frozen=True)
class Weights:
    """The content of a file of weights, and its hash."""

    content: bytes
    sha256: str
    published: bool


def checkpoints() -> Path:
    """Return torch.hub's folder of checkpoints, below TORCH_HOME or ``~/.cache/torch``."""
    return Path(torch.hub.get_dir()) / "checkpoints"


def get(wanted: Published, *, own: Path | None, dataset: str, name: str) -> Weights:
    """Return the weights from the file ``own`` or from torch.hub's folder, or download them.

    A published file is identified by its hash. Only ``own`` may have a different hash. Raises
    `DataError` for an unreadable or wrong file and `DataUnavailable` if the download fails.
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
            f"{file} is damaged or is another file: its SHA-256 starts with {sha[:8]} instead of "
            f"{wanted.sha256[:8]}; delete it to download it again"
        )
    return Weights(content, sha, published)


def _download(wanted: Published, *, dataset: str, name: str) -> None:
    """Download a published file into torch.hub's folder, verify its hash, and move it into place.

    A download that fails leaves no file behind.
    """
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
    except DOWNLOAD_ERRORS as error:
        reason = f"not in {place.parent}, and the download failed ({reason_of(error)})"
        own = " or pass it with --weights FILE" if wanted.replaceable else ""
        solution = f"Download {wanted.url} on another machine and put it at {place}{own}"
        raise unavailable(name, reason, solution, dataset) from error


def unavailable(name: str, failure: str, solution: str, dataset: str) -> DataUnavailable:
    """Return the error of weights that are not available, with its cause and the solutions."""
    return DataUnavailable(
        f"{name} is not available: {failure}. (1) {solution}; (2) offline, train an extractor on "
        f"the dataset: ganlab extractor train {dataset}"
    )


def reason_of(error: Exception) -> str:
    """Return the reason of a failed download in one line of at most 160 characters."""
    reason = " ".join(str(getattr(error, "reason", error)).split()) or type(error).__name__
    return textwrap.shorten(reason, 160)


def state_of(weights: Weights, file: Path) -> dict[str, Tensor]:
    """Return the tensors of a state dict written by torch.save, without executing any code in it.

    Raises `DataError` if the file is damaged or contains anything else.
    """
    try:
        state = torch.load(io.BytesIO(weights.content), map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, *DOWNLOAD_ERRORS, ValueError, LookupError, TypeError) as error:
        raise DataError(
            f"{file} is damaged or is not a state dict written by torch.save; download it again"
        ) from error
    tensors = isinstance(state, Mapping) and all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in state.items()
    )
    if not tensors:
        raise DataError(f"{file} is not a state dict, which contains only named tensors")
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
    """Return a network of torch-fidelity with the weights of a state dict.

    ``kind`` is torch-fidelity's class and ``layers`` the outputs to compute. The class reads its
    file with ``weights_only=False``, which can execute code. It therefore gets a copy that this
    process writes after it has read the tensors safely.
    """
    found = get(wanted, own=own, dataset=dataset, name=name)
    file = own or wanted.place
    copy = io.BytesIO()
    torch.save(state_of(found, file), copy)
    copy.seek(0)
    with seeded(0, torch.device("cpu")):  # the constructor draws weights before it replaces them
        try:
            network = kind(wanted.architecture, layers, feature_extractor_weights_path=copy)
        except RuntimeError as error:
            reason = textwrap.shorten(" ".join(str(error).split()).partition(": ")[2], 120)
            raise DataError(f"{file} has the weights of another network: {reason}") from error
    architecture = wanted.architecture
    if not found.published:
        architecture = f"{name}-own"
        log.warning(
            "%s is not the published file of %s (its SHA-256 starts with %s instead of %s): its "
            "scores are not comparable with published scores",
            file,
            name,
            found.sha256[:8],
            wanted.sha256[:8],
        )
    return FidelityNet(network, f"{architecture}-{found.sha256[:HEX]}")


class FidelityNet(ExtractorNet):
    """A network of torch-fidelity: features, and logits if its second output is requested."""

    def __init__(self, network: nn.Module, net_id: str) -> None:
        super().__init__()
        self.id = net_id
        self.class_names = ()
        self.network = network
        self.has_logits = len(network.features_list) > 1  # type: ignore[arg-type]
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> Self:
        """Stay in eval mode, even if a module that contains this network is set to train mode."""
        return super().train(False)

    @torch.no_grad()
    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return features (N, D) and logits (N, K), float32, of uint8 images (N, C, H, W).

        C is 1 or 3; grey images are repeated to three channels. K is 0 for a network without
        logits.
        """
        check_images(images, self.id)
        channels = images.shape[1]
        if channels not in (1, 3):
            raise DataError(f"{self.id}: images must have 1 or 3 channels, not {channels}")
        with torch.autocast(images.device.type, enabled=False):
            features, *rest = self.network(images.expand(-1, 3, -1, -1))
        return features, rest[0] if rest else features[:, :0]
