"""The files of extractors: named by what is in them, and verified whenever they are read."""

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
JUDGE = "judge1"
SHIPPED = Path(__file__).with_name("weights")
HEX = 12
"""How many digits of the hash are in an id."""


def made_here() -> Path:
    """Return the folder of the extractors that this user made."""
    return cache_dir() / "extractors"


def weights_sha256(tensors: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of names, types, shapes and bytes, whatever file they came from."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} ".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def find(recipe: str, dataset: str, folder: Path) -> Path | None:
    """Return the file of a recipe (``cnn1x3``) and a dataset; None if there is none.

    Raises `DataError` if there are several: which one measures is not to be left to chance.
    """
    name = f"{glob.escape(f'{recipe}-{dataset}-')}{'[0-9a-f]' * HEX}.safetensors"
    found = sorted(folder.glob(name))
    if len(found) > 1:
        names = " and ".join(file.name for file in found)
        raise DataError(f"{folder} has several networks for '{dataset}': {names}; keep one")
    return found[0] if found else None


def write(net: Cnn1, folder: Path, card: dict[str, Any]) -> tuple[Path, Path]:
    """Write a network and its card; return the two files."""
    file = folder / f"{net.id}.safetensors"
    tensors = {name: tensor.contiguous() for name, tensor in net.state_dict().items()}
    return _keep(file, save(tensors), (json.dumps(card, indent=2) + "\n").encode())


def install(
    files: Sequence[Path], folder: Path, *, check_free: Callable[[str, str], None]
) -> list[Path]:
    """Copy networks and their cards to a folder, all or none; return where they are.

    ``check_free(recipe, dataset)`` raises `DataError` if there is such a network already, as this
    does for a file that is not what its name and its card say.
    """
    networks = [file for file in files if file.suffix == ".safetensors"]
    expected = {one for file in networks for one in (file, file.with_suffix(".json"))}
    if unexpected := sorted(set(files) ^ expected):
        raise DataError(f"{unexpected[0].name}: a network and its card come together")
    if not networks:
        raise DataError("there is no network among these files")
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
    """Return what a file is for; its name and its card must say the same."""
    card = _card(file.with_suffix(".json"))
    recipe, _, rest = file.stem.partition("-")
    dataset = rest[: -HEX - 1]
    said = (card.get("id"), card.get("sha256"), card["dataset"].get("name"))
    if recipe not in (ENSEMBLE, JUDGE) or not dataset:
        raise DataError(f"{file.name} is not called like a network of this extractor")
    if said != (file.stem, weights_sha256(net.state_dict()), dataset):
        raise DataError(f"{file.name}: its card is that of another network")
    return recipe, dataset


def _keep(file: Path, network: bytes, card: bytes) -> tuple[Path, Path]:
    """Write a network and its card; the network last, because it is what `find` finds."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_atomically(file.with_suffix(".json"), card)
    write_atomically(file, network)
    return file, file.with_suffix(".json")


def read(file: Path) -> Cnn1:
    """Return the network in a file, or raise `DataError` if it is not what the name says.

    Nothing is drawn at random: the layers are made without content.
    """
    try:
        # Copies, because what lies in a file's bytes is not aligned.
        tensors = {name: tensor.clone() for name, tensor in load(file.read_bytes()).items()}
    except (OSError, SafetensorError, ValueError) as error:
        raise DataError(f"{file} is damaged ({error}); get it or make it again") from error
    sha = weights_sha256(tensors)[:HEX]
    if not file.stem.endswith(f"-{sha}"):
        raise DataError(f"{file} was changed: its weights have the hash {sha}; get it again")
    try:
        net = _network(tensors)
    except (LookupError, ValueError, RuntimeError) as error:
        raise DataError(f"{file} holds another kind of network") from error
    net.id = file.stem
    net.class_names = tuple(_card(file.with_suffix(".json"))["dataset"]["class_names"])
    if len(net.class_names) != len(tensors["members.0.output.bias"]):
        raise DataError(f"{file.with_suffix('.json')} names other classes than its network has")
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
    """Return a card, which names the classes of its network."""
    try:
        card = json.loads(file.read_text())
        if not all(isinstance(name, str) for name in card["dataset"]["class_names"]):
            raise TypeError("its class names are no text")
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise DataError(f"{file}, the network's card, is missing or damaged: {error}") from error
    return card
