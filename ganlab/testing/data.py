"""Datasets and callbacks."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sized
from pathlib import Path

import numpy as np
import torch

from ganlab.components import Callback, Dataset, Images, Split
from ganlab.data.prepare import data_root
from ganlab.data.validate import validate_images
from ganlab.errors import DataUnavailable
from ganlab.runs import Run
from ganlab.seeds import seeded
from ganlab.testing.bench import CPU, bench, experiment_of
from ganlab.testing.report import Findings

SPLITS: tuple[Split, Split] = ("train", "test")


def check_dataset(found: Findings, dataset: Dataset) -> None:
    """Read both splits, twice, from where datasets lie."""
    root = data_root()
    names: list[tuple[str, ...]] = []
    with found.group("images") as group:
        for split in SPLITS:
            where = f"read('{split}')"
            try:
                images = dataset.read(root, split)
            except DataUnavailable as error:
                group.note = f"not tried, {' '.join(str(error).split())}"
                group.skipped = True
                return
            with found.guarded(where):
                validate_images(images, dataset.name)
                names.append(tuple(images.class_names))
                count = len(images.images) if isinstance(images.images, Sized) else "some"
                group.note += f"{', ' if group.note else ''}{count} to {split}"
                _check_again(found, dataset, images, root, split)
        same = len(set(names)) < 2
        found.expect(same, "read()", "the same class names in both splits", f"{names}")
    with found.group("fingerprint", "text, the same if the files are"):
        for split in SPLITS:
            prints = [dataset.fingerprint(root, split) for _ in range(2)]
            text = isinstance(prints[0], str)
            found.expect(text, "fingerprint()", "text", type(prints[0]).__name__)
            found.expect(prints[0] == prints[1], "fingerprint()", "the same twice", f"{prints}")


def _check_again(
    found: Findings, dataset: Dataset, images: Images, root: Path, split: Split
) -> None:
    again = dataset.read(root, split)
    same = np.array_equal(images.labels, again.labels)
    if isinstance(images.images, np.ndarray) and isinstance(again.images, np.ndarray):
        same &= np.array_equal(images.images, again.images)
    found.expect(same, f"read('{split}')", "the same images when read again", "others")


def check_callback(found: Findings, callback: Callback) -> None:
    """Let it watch two steps of a small run in a temporary folder, the second of them twice."""
    with (
        tempfile.TemporaryDirectory() as folder,
        found.group("calls", "every hook, in their order"),
    ):
        made = bench(experiment_of(callback))
        run = Run(Path(folder) / "kit" / "run", info={"experiment": "kit", "seed": 0})
        for path in (run.path, run.checkpoints, run.samples):
            path.mkdir(parents=True, exist_ok=True)
        here = os.getcwd()
        before = {k: v.clone() for k, v in made.tensors().items()}
        with seeded(0, CPU), found.guarded("on_run_start()"):
            callback.on_run_start(run)
        for _ in range(2):
            with seeded(0, CPU):
                scalars = made.step()
                before = {k: v.clone() for k, v in made.tensors().items()}
            run.progress = made.at
            with found.guarded("on_step_end()"):
                callback.on_step_end(run, made.at.steps, scalars)
        records = [{"step": i + 1, **losses} for i, losses in enumerate(made.losses)]
        with found.guarded("on_log()"):
            callback.on_log(run, records)
            callback.on_log(run, records[1:])  # after a kill the same step can come again
        with found.guarded("on_evaluate()"):
            callback.on_evaluate(run, made.at.steps, {"kit": 0.5})
        with found.guarded("on_run_end()"):
            callback.on_run_end(run, None)
        same = all(torch.equal(before[k], v) for k, v in made.tensors().items())
        found.expect(same, "run", "weights that the callback leaves alone", "others")
        found.expect(os.getcwd() == here, "run", "the working directory as it was", os.getcwd())
