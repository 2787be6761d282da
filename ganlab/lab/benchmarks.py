"""Measuring how fast an experiment trains, with its settings in turns."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from ganlab.benching.compare import Budget, measure
from ganlab.benching.data import RandomImages, find_images
from ganlab.benching.report import Benchmark, warnings_of
from ganlab.components import Dataset
from ganlab.config.experiment import component_block
from ganlab.errors import UsageError
from ganlab.evaluation.variants import variants
from ganlab.events import Tell, ignore
from ganlab.lab.phases import explained, restored
from ganlab.lab.workspace import ExperimentLike, Workspace
from ganlab.training.model import check_networks
from ganlab.training.precision import choose_device
from ganlab.types import Prepared

AS_WRITTEN = "as written"


def bench(
    workspace: Workspace,
    experiment: ExperimentLike,
    overrides: Sequence[str] = (),
    *,
    against: Sequence[Sequence[str]] = (),
    seconds: float = 10.0,
    steps: int | None = None,
    data: str = "auto",
    tell: Tell = ignore,
) -> Benchmark:
    """Measure an experiment, and the same with other values: see `Lab.bench`."""
    random = random_images(data)
    workspace.usable_plugins()
    device = [] if workspace.device == "auto" else [f"train.device={workspace.device}"]
    shared = [*overrides, *device]
    settings = [
        workspace.load_experiment(experiment, [*shared, *own]).experiment for own in ([], *against)
    ]
    for one in settings:
        choose_device(one.train.device)
        with explained("building the networks"):
            check_networks(one)
    largest = max(one.train.batch_size for one in settings)
    notes: dict[str, None] = {}
    found: dict[str, Prepared] = {}

    def images(dataset: Dataset) -> Prepared:
        key = str(component_block(dataset))
        if key not in found:
            here = find_images(dataset, root=workspace.data_root, at_least=largest, random=random)
            notes.update(dict.fromkeys([here.note] if here.note else []))
            found[key] = here.prepared
        return found[key]

    with (
        restored(),
        explained("measuring"),
        TemporaryDirectory(prefix="ganlab-bench-") as folder,
    ):
        pairs = [(one, images(one.dataset)) for one in settings]
        measured = measure(
            pairs,
            Budget(seconds, steps),
            folder=Path(folder),
            tell=tell,
        )
    heading, labels = variants([one.resolved() for one in settings])
    if not any(labels):
        heading, labels = "setting", [AS_WRITTEN] * len(labels)
    return Benchmark(
        name=settings[0].name,
        data=pairs[0][1],
        heading=heading,
        labels=labels,
        overrides=[[*shared, *own] for own in ([], *against)],
        measured=measured,
        warnings=[*notes, *warnings_of(measured)],
    )


def random_images(text: str) -> RandomImages | None:
    """Return what ``random`` or ``random:CHANNELSxCLASSES`` asks for; None for ``auto``."""
    if text == "auto":
        return None
    match = re.fullmatch(r"random(?::([1-9]\d*)x([1-9]\d*))?", text)
    if match is None:
        raise UsageError(f"'{text}' is neither auto, random, nor random:CHANNELSxCLASSES")
    return RandomImages(int(match[1]), int(match[2])) if match[1] else RandomImages()
