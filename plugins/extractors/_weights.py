"""The files of trained extractors. A file name contains a hash of the weights, and each read
verifies it."""

from __future__ import annotations

import glob
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from ganlab.errors import DataError
from ganlab.files import cache_dir, write_atomically

from ._cnn import Cnn1, Member

ENSEMBLE = "cnn1x3"
CLASSIFIER = "judge1"
SHIPPED = Path(__file__).with_name("weights")
HEX = 12
"""Number of hexadecimal digits of the hash in an extractor's id."""


def user_folder() -> Path:
    """Return the folder of the extractors that the user trained or installed."""
    return cache_dir() / "extractors"


def weights_sha256(tensors: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of the tensors' names, dtypes, shapes and bytes.

    It does not depend on the file format.
    """
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} ".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def find(recipe: str, dataset: str, folder: Path) -> Path | None:
    """Return the file of a recipe (``cnn1x3``) and a dataset in a folder; None if there is none.

    Raises `DataError` if there are several, because the choice would change the scores.
    """
    name = f"{glob.escape(f'{recipe}-{dataset}-')}{'[0-9a-f]' * HEX}.safetensors"
    found = sorted(folder.glob(name))
    if len(found) > 1:
        names = " and ".join(file.name for file in found)
        raise DataError(f"{folder} has several networks for '{dataset}': {names}; keep one")
    return found[0] if found else None


def write(net: Cnn1, folder: Path, card: dict[str, Any]) -> tuple[Path, Path]:
    """Write a network and its card to ``folder``; return the paths of both files."""
    file = folder / f"{net.id}.safetensors"
    tensors = {name: tensor.contiguous() for name, tensor in net.state_dict().items()}
    return _keep(file, save(tensors), (json.dumps(card, indent=2) + "\n").encode())


def install(
    files: Sequence[Path], folder: Path, *, check_free: Callable[[str, str], None]
) -> list[Path]:
    """Copy networks and their cards to a folder, after checking all of them; return the new paths.

    ``check_free(recipe, dataset)`` raises `DataError` if such a network exists. Also raises
    `DataError` if a network does not agree with its name and its card, or if it cannot be written.
    """
    networks = [file for file in files if file.suffix == ".safetensors"]
    expected = {path for file in networks for path in (file, file.with_suffix(".json"))}
    if unexpected := sorted(set(files) ^ expected):
        raise DataError(f"{unexpected[0].name}: a network (.safetensors) needs its card (.json)")
    if not networks:
        raise DataError("these files contain no network (.safetensors)")
    for file in networks:
        check_free(*_recipe_and_dataset(read(file), file))
    try:
        return [
            kept
            for file in networks
            for kept in _keep(
                folder / file.name, file.read_bytes(), file.with_suffix(".json").read_bytes()
            )
        ]
    except OSError as error:
        raise DataError(f"cannot write to {folder}: {error.strerror or error}") from error


def _recipe_and_dataset(net: Cnn1, file: Path) -> tuple[str, str]:
    """Return the recipe and the dataset of a file. Raises `DataError` if its card disagrees."""
    card = _card(file.with_suffix(".json"))
    recipe, _, rest = file.stem.partition("-")
    dataset = rest[: -HEX - 1]
    recorded = (card.get("id"), card.get("sha256"), card["dataset"].get("name"))
    if recipe not in (ENSEMBLE, CLASSIFIER) or not dataset:
        raise DataError(f"{file.name} does not have the name of a network of this extractor")
    if recorded != (file.stem, weights_sha256(net.state_dict()), dataset):
        raise DataError(f"{file.name}: its card belongs to another network")
    return recipe, dataset


def _keep(file: Path, network: bytes, card: bytes) -> tuple[Path, Path]:
    """Write a card and its network. The network is last, because `find` looks for it."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_atomically(file.with_suffix(".json"), card)
    write_atomically(file, network)
    return file, file.with_suffix(".json")


def read(file: Path) -> Cnn1:
    """Return the network in a file. Raises `DataError` if it does not have the hash in its name.

    The layers are built on the meta device, so that no random weights are drawn.
    """
    try:
        # Copy the tensors, because their data in the file is not aligned.
        tensors = {name: tensor.clone() for name, tensor in load(file.read_bytes()).items()}
    except (OSError, SafetensorError, ValueError) as error:
        raise DataError(f"{file} is damaged ({error}); download or train it again") from error
    sha = weights_sha256(tensors)[:HEX]
    if not file.stem.endswith(f"-{sha}"):
        raise DataError(f"{file} was modified: its weights have the hash {sha}; download it again")
    try:
        net = _network(tensors)
    except (LookupError, ValueError, RuntimeError) as error:
        raise DataError(f"{file} contains another kind of network") from error
    net.id = file.stem
    net.class_names = tuple(_card(file.with_suffix(".json"))["dataset"]["class_names"])
    if len(net.class_names) != len(tensors["members.0.output.bias"]):
        raise DataError(f"{file.with_suffix('.json')} has other classes than its network")
    return net


def _network(tensors: dict[str, Tensor]) -> Cnn1:
    width, channels = tensors["members.0.blocks.0.0.weight"].shape[:2]
    num_classes = len(tensors["members.0.output.bias"])
    count = len({name.split(".")[1] for name in tensors})
    with torch.device("meta"):
        net = Cnn1([Member(channels, num_classes, width=width) for _ in range(count)])
    net.load_state_dict(tensors, assign=True)
    return net


def _card(file: Path) -> dict[str, Any]:
    """Return the content of a card. Raises `DataError` if it is missing or damaged."""
    try:
        card = json.loads(file.read_text())
        if not all(isinstance(name, str) for name in card["dataset"]["class_names"]):
            raise TypeError("its class names are not strings")
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise DataError(f"the card {file} is missing or damaged: {error}") from error
    return card
