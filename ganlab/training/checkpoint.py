"""Checkpoints: the state that a resume needs, in safetensors files, which cannot execute code.

A checkpoint is written to a temporary file and renamed. The previous checkpoint is kept: the hash
of the tensors reveals a damaged file, and the previous one is used instead.
"""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from ganlab.errors import RunError
from ganlab.files import write_atomically
from ganlab.records import CheckpointRecord, StoredRecord, check
from ganlab.run_directory import Progress, RunDirectory, writing
from ganlab.training.model import Model
from ganlab.training.processes import on_main_process

FORMAT = 3
RENAMED_SINCE = {
    1: {
        "discriminator/verdict.head.": "discriminator/head.logit.",
        "discriminator/verdict.notes.": "discriminator/head.auxiliary.",
    }
}
"""Tensor name prefixes of older formats and their present names."""

ADDED_SINCE = {
    2: ("generator/start.value", "ema/start.value", "discriminator/layers.0.bias"),
}
"""Tensors that files up to a format lack. They are added to features, so 0 stands for absent."""

KEPT = 2
BEST = "best.safetensors"
DRAWS = ("generator", "ema")
"""The names of the modules that samples may be generated with."""

log = logging.getLogger("ganlab")


@dataclass(frozen=True)
class Stored:
    """The content of a checkpoint or of a file with generator weights."""

    path: Path
    tensors: dict[str, Tensor]
    meta: dict[str, Any]
    """A `ganlab.records.CheckpointRecord`; for generator weights only, a `StoredRecord`."""

    def describe(self) -> dict[str, Any]:
        """Return the identity of the sampling weights; see `describe_weights`."""
        return describe_weights(self.tensors, Progress.of(self.meta["progress"]), self.path)

    @property
    def has_average(self) -> bool:
        """True if the file holds averaged weights in addition to G's own."""
        return any(key.startswith("ema/") for key in self.tensors)


@on_main_process
def save_checkpoint(run: RunDirectory, model: Model) -> None:
    """Write a checkpoint of the current state, and keep only the most recent one before it."""
    tensors, groups = _optimizer_tensors(model)
    for name, module in model.modules().items():
        tensors |= _module_tensors(name, module)
    path = run.checkpoints / f"step-{run.progress.steps:09d}.safetensors"
    plain = _write(run, path, tensors, {"optimizers": groups, "unlogged": run.unlogged})
    run.info["checkpoint"] = describe_weights(plain, run.progress, path)

    def forget() -> None:
        for old in checkpoint_files(run)[KEPT:]:
            old.unlink()

    run.files.submit(forget)


def save_generator(run: RunDirectory, model: Model, label: str) -> None:
    """Write the generator's weights, including averaged ones. ``label``: ``epoch-0003``."""
    path = run.checkpoints / f"generator-{label}.safetensors"
    _write(run, path, generator_tensors(model), {})


def save_best(run: RunDirectory, model: Model, by: dict[str, Any]) -> None:
    """Save the generator as the best one so far. ``by``: ``{"metric": "fid", "score": 28.2}``."""
    path = run.checkpoints / BEST
    plain = _write(run, path, generator_tensors(model), {"by": by})
    run.info["best"] = describe_weights(plain, run.progress, path) | {"by": by}
    run.update()


def generator_tensors(model: Model) -> dict[str, Tensor]:
    """Return the generator's tensors, including averaged ones, by their names in a checkpoint."""
    tensors: dict[str, Tensor] = {}
    for name, module in model.modules().items():
        if name in DRAWS:
            tensors |= _module_tensors(name, module)
    return tensors


def describe_weights(
    tensors: dict[str, Tensor], at: Progress, path: Path | None = None
) -> dict[str, Any]:
    """Return the identity of the sampling weights: file, hash, progress, and ``ema`` or ``raw``.

    The hash depends only on the weights, not on the other content of the file.
    """
    drawn = {k: v.detach().cpu() for k, v in tensors.items() if k.split("/")[0] in DRAWS}
    return {
        "file": path.name if path else None,
        "sha256": _hash(drawn),
        "steps": at.steps,
        "epochs": at.epochs,
        "weights": "ema" if any(key.startswith("ema/") for key in drawn) else "raw",
    }


def checkpoint_files(run: RunDirectory) -> list[Path]:
    """Return the checkpoints of the run, newest first."""
    return sorted(run.checkpoints.glob("step-*.safetensors"), reverse=True)


def generator_files(run: RunDirectory) -> list[Path]:
    """Return the files of generator weights, sorted by finished epochs."""
    return sorted(run.checkpoints.glob("generator-*.safetensors"), key=lambda path: path.stem)


def kept_epochs(run: RunDirectory) -> list[int]:
    """Return the numbers of finished epochs with saved generator weights; 0 means untrained."""
    labels = (path.stem.removeprefix("generator-epoch-") for path in generator_files(run))
    return sorted(int(label) for label in labels if label.isdecimal())


def read_newest(run: RunDirectory, *, tidy: bool = False) -> Stored | None:
    """Read the newest undamaged checkpoint, with a warning for each damaged one; None without any.

    ``tidy``: rename damaged checkpoints and remove partly written files. The caller must hold the
    run's lock. Raises `RunError` if all checkpoints are damaged.
    """
    damaged = []
    for path in checkpoint_files(run):
        try:
            stored = read_stored(path)
        except RunError as error:
            log.warning("%s; going back to the one before it", error)
            damaged.append(path)
            continue
        if tidy:
            _tidy(run, damaged)
        return stored
    if damaged:
        names = ", ".join(path.name for path in damaged)
        raise RunError(
            f"no checkpoint in {run.checkpoints} is whole ({names}): start over with --fresh"
        )
    return None


def _tidy(run: RunDirectory, damaged: list[Path]) -> None:
    with writing(run.path):
        for folder in (run.path, run.checkpoints, run.samples):
            for file in folder.glob(".*.tmp"):
                file.unlink()
        for path in damaged:
            path.rename(path.with_name(f"{path.name}.damaged"))


def read_stored(path: Path) -> Stored:
    """Read and verify a file, or raise `RunError`. No content of the file is executed."""
    try:
        with safe_open(path, framework="pt") as file:
            meta = json.loads((file.metadata() or {})["ganlab"])
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise RunError(f"there is no {path}") from None
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise RunError(f"{path} is damaged or no checkpoint of ganlab ({error})") from error
    _check_metadata(path, meta)
    if _hash(tensors) != meta["sha256"]:
        raise RunError(f"{path} is damaged: its content does not have the hash that it was given")
    for old, new in RENAMED_SINCE.get(meta["format"], {}).items():
        tensors = {_renamed(key, old, new): value for key, value in tensors.items()}
    return Stored(path, tensors, meta)


def _check_metadata(path: Path, meta: Any) -> None:
    found = meta.get("format") if isinstance(meta, dict) else None
    if found not in range(1, FORMAT + 1):
        raise RunError(f"{path} has format {found}; this ganlab reads 1 to {FORMAT}")
    try:
        check(CheckpointRecord if path.name.startswith("step-") else StoredRecord, meta)
    except ValueError as error:
        raise RunError(f"{path} is damaged: in its metadata, {error}") from None


def _renamed(key: str, old: str, new: str) -> str:
    return new + key.removeprefix(old) if key.startswith(old) else key


def check_belongs(stored: Stored, run: RunDirectory) -> None:
    """Raise `RunError` if the file was written by another experiment or seed."""
    for key in ("identity", "seed"):
        if stored.meta.get(key) != run.info[key]:
            raise RunError(
                f"{stored.path} belongs to another run: its {key} is {stored.meta.get(key)}, "
                f"that of {run.name} is {run.info[key]}; move it away, or start over with --fresh"
            )


def restore(run: RunDirectory, model: Model, stored: Stored) -> None:
    """Restore the model, the optimizers and the progress of the run from a checkpoint."""
    for name, module in model.modules().items():
        if added := _added_since(stored, name, module):
            raise RunError(
                f"{stored.path} has format {stored.meta['format']}, which lacks "
                f"{', '.join(added)} of the {name}: the run can be sampled and scored, but to "
                "train it, start over with --fresh"
            )
        load_module(module, stored, name)
    for role, optimizer in model.optimizers.items():
        groups = stored.meta["optimizers"][role]
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        state: dict[int, dict[str, Tensor]] = {}
        prefix = f"optimizer.{role}/"
        for key, value in stored.tensors.items():
            if key.startswith(prefix):
                index, name = key.removeprefix(prefix).split("/")
                state.setdefault(int(index), {})[name] = _like(value, parameters[int(index)])
        optimizer.load_state_dict({"state": state, "param_groups": groups})
    run.progress = Progress.of(stored.meta["progress"])
    run.unlogged = stored.meta["unlogged"]


def load_module(module: nn.Module, stored: Stored, name: str) -> None:
    """Load the state of one module. Raises `RunError` that names keys or shapes that differ."""
    prefix = f"{name}/"
    found = {
        key.removeprefix(prefix): value
        for key, value in stored.tensors.items()
        if key.startswith(prefix)
    }
    try:
        module.load_state_dict(found | _added_since(stored, name, module))
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise RunError(f"{stored.path} does not fit the {name}: {reason}") from error


def _added_since(stored: Stored, name: str, module: nn.Module) -> dict[str, Tensor]:
    """Return zeros for each tensor of the module that did not exist yet in the file's format.

    ``name`` is the name of the module in the file. The dict is empty for the present format.
    """
    added = {
        key for last, keys in ADDED_SINCE.items() if stored.meta["format"] <= last for key in keys
    }
    return {
        key: torch.zeros_like(value)
        for key, value in module.state_dict().items()
        if (full := f"{name}/{key}") in added and full not in stored.tensors
    }


def _write(
    run: RunDirectory, path: Path, tensors: dict[str, Tensor], meta: dict[str, Any]
) -> dict[str, Tensor]:
    """Write the tensors, and return the contiguous CPU copies that were written."""
    # safetensors stores no strides and rejects shared memory, so contiguous copies are stored.
    plain = {key: value.detach().cpu().contiguous().clone() for key, value in tensors.items()}
    meta |= {
        "format": FORMAT,
        "identity": run.info["identity"],
        "seed": run.info["seed"],
        "progress": asdict(run.progress),
        "sha256": _hash(plain),
    }
    described = {"ganlab": json.dumps(meta)}
    run.write(path, lambda: write_atomically(path, save(plain, described)))
    return plain


def _module_tensors(name: str, module: nn.Module) -> dict[str, Tensor]:
    return {f"{name}/{key}": value for key, value in module.state_dict().items()}


def _optimizer_tensors(model: Model) -> tuple[dict[str, Tensor], dict[str, Any]]:
    tensors: dict[str, Tensor] = {}
    groups: dict[str, Any] = {}
    for role, optimizer in model.optimizers.items():
        state = optimizer.state_dict()
        groups[role] = state["param_groups"]
        for index, values in state["state"].items():
            for name, value in values.items():
                if value is not None:
                    tensors[f"optimizer.{role}/{index}/{name}"] = value
    return tensors, groups


def _like(value: Tensor, parameter: Tensor) -> Tensor:
    """Return the moment with the strides of its parameter, as fused optimizers require."""
    if value.shape != parameter.shape:
        return value
    return torch.empty_like(parameter, dtype=value.dtype).copy_(value)


def _hash(tensors: dict[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for key in sorted(tensors):
        value = tensors[key]
        digest.update(f"{key}/{value.dtype}/{tuple(value.shape)}/".encode())
        if value.numel():
            digest.update(value.flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()
