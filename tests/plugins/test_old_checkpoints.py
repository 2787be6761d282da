"""Checkpoints of older formats are loaded, or refused with a clear message."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import Result
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from ganlab import load
from ganlab.errors import RunError

Write = Callable[..., Path]
Ganlab = Callable[..., Result]

SECTIONS: dict[str, Any] = {
    "dataset": {"type": "digits", "image_size": 16},
    "generator": {"type": "dcgan", "width": 4},
    "discriminator": {"type": "dcgan", "width": 4},
    "conditioning": ["cbn", "projection"],
    "loss": "bce",
    "regularizers": [],
    "augmentations": [],
    "callbacks": [],
}
ADDED = ["discriminator/layers.0.bias", "ema/start.value", "generator/start.value"]


@pytest.fixture
def old_checkpoint(write_experiment: Write, ganlab: Ganlab, workplace: Path) -> Path:
    """Return a checkpoint of format 2, which lacks the tensors that format 3 added."""
    exp = write_experiment(sections=SECTIONS, steps=3)
    assert ganlab("run", exp).exit_code == 0
    (path,) = workplace.glob("runs/exp/*/checkpoints/step-*3.safetensors")
    change(path, version=2, without=ADDED)
    return path


def change(path: Path, *, version: int, without: list[str]) -> None:
    """Rewrite a checkpoint as another format, without some of its tensors."""
    with safe_open(path, framework="pt") as file:
        meta = json.loads(file.metadata()["ganlab"])
    tensors = {key: value for key, value in load_file(path).items() if key not in without}
    meta |= {"format": version, "sha256": digest(tensors)}
    save_file(tensors, path, {"ganlab": json.dumps(meta)})


def digest(tensors: dict[str, Tensor]) -> str:
    total = hashlib.sha256()
    for key, value in sorted(tensors.items()):
        total.update(f"{key}/{value.dtype}/{tuple(value.shape)}/".encode())
        total.update(value.numpy().tobytes())
    return total.hexdigest()


def test_sampling_an_older_checkpoint_uses_0_for_the_added_constant(old_checkpoint: Path) -> None:
    stored = load_file(old_checkpoint)
    for weights, name in (("raw", "generator"), ("ema", "ema")):
        network = load(old_checkpoint.parents[1]).network(weights=weights)
        state = network.state_dict()
        constant = state.pop("start.value")
        assert constant.shape == (8, 4, 4)
        assert not constant.any()
        for key, value in state.items():
            assert torch.equal(value, stored[f"{name}/{key}"])


def test_training_does_not_continue_from_an_older_checkpoint_that_lacks_tensors(
    old_checkpoint: Path, write_experiment: Write, ganlab: Ganlab, workplace: Path
) -> None:
    exp = write_experiment(sections=SECTIONS, steps=6)
    result = ganlab("run", exp)
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1] == (
        f"Error: {old_checkpoint.relative_to(workplace)} has format 2, which lacks start.value of "
        "the generator: the run can be sampled and scored, but to train it, start over with --fresh"
    )
    assert ganlab("run", exp, "--fresh").exit_code == 0


def test_another_run_starts_from_an_older_checkpoint(
    old_checkpoint: Path, write_experiment: Write, ganlab: Ganlab
) -> None:
    donor = str(old_checkpoint.parents[1])
    exp = write_experiment("other.yaml", sections=SECTIONS, steps=1, init_from=donor)
    result = ganlab("run", exp)
    assert result.exit_code == 0, result.stderr


def test_a_checkpoint_of_the_present_format_must_hold_every_tensor(old_checkpoint: Path) -> None:
    change(old_checkpoint, version=3, without=[])
    with pytest.raises(RunError) as raised:
        load(old_checkpoint.parents[1]).network(weights="raw")
    assert 'Missing key(s) in state_dict: "start.value"' in str(raised.value)
