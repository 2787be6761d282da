"""The files of extractors: named by what is in them, and verified whenever they are read."""

from __future__ import annotations

import glob
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from ganlab.data.cache import cache_dir
from ganlab.errors import DataError
from ganlab.files import write_atomically, write_json

from ._cnn import Cnn1, Member

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


def write(net: Cnn1, folder: Path, card: dict[str, Any]) -> Path:
    """Write a network and its card; return the network's file."""
    file = folder / f"{net.id}.safetensors"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_json(file.with_suffix(".json"), card)
    tensors = {name: tensor.contiguous() for name, tensor in net.state_dict().items()}
    write_atomically(file, save(tensors))
    return file


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
    width, channels = tensors["members.0.blocks.0.0.weight"].shape[:2]
    num_classes = len(tensors["members.0.output.bias"])
    count = len({name.split(".")[1] for name in tensors})
    with torch.device("meta"):
        net = Cnn1([Member(channels, num_classes, width=width) for _ in range(count)])
    net.load_state_dict(tensors, assign=True)
    net.id = file.stem
    net.class_names = _class_names(file.with_suffix(".json"))
    return net


def _class_names(card: Path) -> tuple[str, ...]:
    try:
        return tuple(json.loads(card.read_text())["dataset"]["class_names"])
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise DataError(f"{card}, the network's card, is missing or damaged: {error}") from error
