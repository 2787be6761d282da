"""External images, made by another system: they get a folder below the runs and a board row."""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ganlab.components import Dataset
from ganlab.config.blocks import Builder
from ganlab.config.experiment import component_block
from ganlab.config.locate import is_experiment, is_file_name
from ganlab.config.reader import Document
from ganlab.config.resolve import load_experiment
from ganlab.config.tree import build_tree
from ganlab.data.content import content_hash
from ganlab.data.pictures import decode_picture
from ganlab.data.prepare import prepare
from ganlab.errors import ConfigError, DataError, RunError
from ganlab.evaluation import score_log
from ganlab.evaluation.evaluator import Evaluator
from ganlab.evaluation.generated import quota_labels
from ganlab.evaluation.protocol import AS_THEY_CAME, EvaluationSpec, Protocol
from ganlab.evaluation.request import of_images
from ganlab.evaluation.score import Candidate, score
from ganlab.events import Tell, ignore
from ganlab.files import write_json
from ganlab.metrics import Metric
from ganlab.plugins import Plugins
from ganlab.run_directory import RunDirectory, find_run, list_runs, now, read_run, writing
from ganlab.training.record import describe_dataset
from ganlab.types import DataSpec

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".webp"}
FOLDER = "images"


def is_external(run: RunDirectory) -> bool:
    """Return True for images that were made by another system."""
    return "made_elsewhere" in run.info


def add_images(
    folder: Path, *, labels: Path | None, dataset: Dataset, runs: Path, root: Path | None = None
) -> RunDirectory:
    """Read a folder of images, create or update its entry below ``runs``, and return the entry.

    Raises `DataError` if the images or their labels do not fit the dataset.
    """
    data = prepare(dataset, root=root, split="train")
    files, numbers = _listed(folder, labels, data.spec)
    images = _read(files, data.spec)
    sha = content_hash(images, torch.tensor(numbers), data.spec.class_names)
    name = folder.resolve().name.replace("~", "-")  # "~" marks runs that were set aside
    identity = hashlib.sha256(f"{sha} {data.sha256}".encode()).hexdigest()[:12]
    path = runs / FOLDER / f"{name}-{identity[:6]}"
    info: dict[str, Any] = {
        "experiment": f"{FOLDER}/{name}",
        "identity": identity,
        "seed": 0,
        "status": "finished",
        "created": now(),
        "made_elsewhere": {
            "place": str(folder.resolve()),
            "labels": None if labels is None else str(labels.resolve()),
            "images": len(numbers),
        },
        "dataset": describe_dataset(data, asked=data.source),
        "dataset_block": component_block(dataset),
        "checkpoint": {"sha256": sha, "weights": "images", "steps": 0, "epochs": 0.0},
    }
    with writing(path):
        path.mkdir(parents=True, exist_ok=True)
        write_json(path / "run.json", info)
    return read_run(path)


def reference_of(
    name: str | None, runs: Sequence[RunDirectory], folder: Path, plugins: Plugins, runs_dir: Path
) -> Dataset:
    """Return the reference dataset for external images.

    ``name`` is a run, an experiment's file, an experiment's name (its newest run, if there is one),
    or a dataset, which is resized to the size of the images. Without a name, it is the dataset that
    all of these runs were trained on. Raises `RunError` if there is not exactly one.
    """
    if name is None:
        blocks = {run.info["dataset"]["sha256"]: _block_of(run) for run in runs}
        if len(blocks) != 1:
            raise RunError(
                "say what --images are measured against: --reference <run, experiment or dataset>"
            )
        return dataset_from(blocks.popitem()[1], plugins)
    if name in plugins.names(Dataset.kind):
        return dataset_from({"type": name, "image_size": _size_of_first(folder)}, plugins)
    if is_file_name(name) or (is_experiment(name) and not list_runs(runs_dir / name)):
        return load_experiment(name, plugins).experiment.dataset
    return dataset_from(_block_of(find_run(name, runs_dir)), plugins)


def _block_of(run: RunDirectory) -> dict[str, Any]:
    block: dict[str, Any] = run.info.get("dataset_block") or run.config()["dataset"]
    return block


def _size_of_first(folder: Path) -> int:
    for file in sorted(folder.rglob("*")):
        if file.suffix.lower() in SUFFIXES:
            with _open(file) as picture:
                return picture.height
    raise DataError(f"{folder} holds no images")


def dataset_of(run: RunDirectory, plugins: Plugins) -> Dataset:
    """Return the dataset of a run."""
    return dataset_from(run.info["dataset_block"], plugins)


def dataset_from(block: dict[str, Any], plugins: Plugins) -> Dataset:
    """Return the dataset that a block of options configures."""
    builder = Builder(plugins)
    built = builder.build_one(Dataset, build_tree(Document(block, lines={})))
    if built is None or builder.problems:
        raise ConfigError(builder.problems, "the dataset")
    return built.component


def score_images(
    run: RunDirectory,
    metrics: Sequence[Metric],
    evaluator: Evaluator,
    eval_spec: EvaluationSpec,
    *,
    tell: Tell = ignore,
) -> tuple[dict[str, Any], EvaluationSpec]:
    """Return the scores of external images, and the evaluation spec that the scores belong to.

    If there are no more images than requested, all are used, whatever their classes. Fewer images,
    or class proportions that differ from the reference's, make another protocol.
    """
    made = run.info["made_elsewhere"]
    files, numbers = _listed(Path(made["place"]), _path(made["labels"]), _spec(run))
    labels = torch.tensor(numbers)
    meant = [(q, _chosen(labels, evaluator, q.protocol)) for q in of_images(run, eval_spec)]
    eval_spec, chosen = next(((q, c) for q, c in meant if c is not None), (eval_spec, None))
    if chosen is None:
        counts = torch.bincount(labels, minlength=len(evaluator.data.spec.class_names)).tolist()
        raise DataError(
            f"{run.name}: N = {eval_spec.protocol.samples:,} images in the proportions of "
            f"'{evaluator.data.source}' need more of some class than there are "
            f"({', '.join(map(str, counts))}): give more images, or fewer --samples"
        )
    lines = score_log.read(run.path)
    known = score_log.answers(lines, eval_spec, run.info["checkpoint"], with_baselines=True)
    missing = [metric for metric in metrics if metric.name not in known]
    for metric in missing:
        if len(chosen) < metric.min_images:
            raise DataError(
                f"{metric.name} needs at least {metric.min_images:,} images: "
                f"{made['place']} holds {made['images']:,}"
            )
    if missing:
        images = _read(files, _spec(run))
        _check_content(run, images, labels)
        seen = evaluator.look(images[chosen], labels[chosen], missing, tell=tell)
        candidate = Candidate(run.name, run.path, run.info["checkpoint"], lambda _: seen)
        known |= score(candidate, missing, evaluator, eval_spec, tell=tell)
    return known, eval_spec


def _chosen(labels: Tensor, evaluator: Evaluator, protocol: Protocol) -> Tensor | None:
    """Return the indices of the images that the protocol selects; None if there are too few."""
    if protocol.labels == AS_THEY_CAME:
        return torch.arange(len(labels))
    spec = evaluator.data.spec
    wanted = quota_labels(evaluator.data.labels, spec.num_classes, samples=protocol.samples, seed=0)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    queues = {c: order[labels[order] == c].tolist() for c in range(spec.num_classes)}
    try:
        return torch.tensor([queues[c].pop() for c in wanted.tolist()])
    except IndexError:
        return None


def _check_content(run: RunDirectory, images: Tensor, labels: Tensor) -> None:
    sha = content_hash(images, labels, tuple(run.info["dataset"]["class_names"]))
    if sha != run.info["checkpoint"]["sha256"]:
        raise RunError(
            f"{run.info['made_elsewhere']['place']} holds other images than when it became "
            f"{run.name}: name it anew with --images"
        )


def _listed(folder: Path, labels: Path | None, spec: DataSpec) -> tuple[list[Path], list[int]]:
    """Return the image files and their labels, from class folders or from a CSV file."""
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}")
    if labels is not None:
        pairs = list(_from_csv(folder, labels, spec))
    else:
        pairs = [
            (file, _class_of(place.name, spec, place))
            for place in sorted(folder.iterdir())
            if place.is_dir() and not place.name.startswith(".")
            for file in sorted(place.rglob("*"))
            if file.suffix.lower() in SUFFIXES
        ]
    if not pairs:
        raise DataError(
            f"{folder} holds no images: put them into a folder for each class, named like the "
            f"class ({', '.join(spec.class_names[:3])}, ...), or name their classes with --labels"
        )
    files, numbers = zip(*pairs, strict=True)
    return list(files), list(numbers)


def _from_csv(folder: Path, labels: Path, spec: DataSpec) -> Iterable[tuple[Path, int]]:
    try:
        rows = list(csv.reader(labels.read_text(encoding="utf-8-sig").splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{labels} cannot be read: {error}") from error
    for number, row in enumerate(rows, start=1):
        if not row:
            continue
        where = f"{labels}:{number}"
        if len(row) != 2:
            raise DataError(f"{where}: expected two columns, file and class, got {len(row)}")
        file, name = folder / row[0].strip(), row[1].strip()
        if number == 1 and not file.is_file() and _number_of(name, spec) is None:
            continue  # the header
        if not file.is_file():
            raise DataError(f"{where}: there is no {file}")
        yield file, _class_of(name, spec, where)


def _class_of(name: str, spec: DataSpec, where: object) -> int:
    number = _number_of(name, spec)
    if number is None:
        raise DataError(
            f"{where}: '{name}' is no class of the reference: {', '.join(spec.class_names)}"
        )
    return number


def _number_of(name: str, spec: DataSpec) -> int | None:
    """Return the index of a class by name, or by number if no class has that name."""
    if name in spec.class_names:
        return spec.class_names.index(name)
    digits = name.removeprefix("class-")
    return int(digits) if digits.isdecimal() and int(digits) < spec.num_classes else None


def _read(files: Sequence[Path], spec: DataSpec) -> Tensor:
    """Return images (N, C, S, S) uint8; their size and channels must match the reference."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        arrays = list(pool.map(partial(_pixels, spec=spec), files))
    return torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2).contiguous()


def _pixels(file: Path, *, spec: DataSpec) -> np.ndarray:
    array = decode_picture(_open(file))  # (H, W, C)
    if array.shape[2] == 3 and spec.channels == 1 and (array == array[..., :1]).all():
        array = array[..., :1]
    wanted = (spec.image_size, spec.image_size, spec.channels)
    if array.shape != wanted:
        raise DataError(f"{file} is {_said(array.shape)}; the reference is {_said(wanted)}")
    return array


def _open(file: Path) -> Image.Image:
    try:
        return Image.open(file)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{file} is no picture") from error


def _said(shape: Sequence[int]) -> str:
    height, width, channels = shape
    return f"{width} x {height} {'grey' if channels == 1 else 'RGB'}"


def _spec(run: RunDirectory) -> DataSpec:
    about = run.info["dataset"]
    names = tuple(about["class_names"])
    return DataSpec(len(names), about["image_size"], about["channels"], names)


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)
