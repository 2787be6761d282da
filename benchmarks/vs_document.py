"""ganlab's training of the default experiment against the plain loop of the source document.

Both do the same work on the same images in alternating turns. Each runs in its own process, so that
neither affects the other. ganlab computes in its default precision and in float32. "Without
loading" means: the document's loop trains on one batch that stays on the device, and ganlab's time
for making batches is subtracted.

    python benchmarks/vs_document.py
    python benchmarks/vs_document.py --data-root ~/data --batch 64 --threads 1
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from _document import CLASSES, Document, add_sizes, same_sizes
from _timing import EXPERIMENTS, begin, experiment, parser_of, report, spread

from ganlab.benching.compare import interleave
from ganlab.benching.data import Offline, offline
from ganlab.benching.stopwatch import synchronize
from ganlab.benching.trial import Trial
from ganlab.config.experiment import Experiment
from ganlab.data.prepare import data_root
from ganlab.data.resize import resize_array
from ganlab.errors import DataUnavailable
from ganlab.training.precision import choose_device
from ganlab.types import DataSpec, Prepared

Pair = tuple[float, float]
"""(seconds per step with loading, without loading)."""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = parser_of(__doc__, steps=10)
    parser.prog = "vs_document.py"
    add_sizes(parser, batch=128, size=64)
    parser.add_argument("--images", type=int, default=60_000, help="random images without MNIST")
    parser.add_argument("--data-root", type=Path, help="folder of MNIST")
    given = begin(parser, arguments)
    settings = {
        name: experiment(
            EXPERIMENTS / "cgan_mnist.yaml",
            *same_sizes(given),
            f"train.precision={name}",
            device=given.device,
        )
        for name in ("auto", "fp32")
    }
    images, labels, source = find_digits(settings["auto"], given.data_root, count=given.images)
    start = time.perf_counter()
    resized = torch.cat(list(resize_array(images, np.arange(len(images)), size=given.size)))
    preparing = time.perf_counter() - start
    spec = DataSpec(CLASSES, given.size, 1, tuple(map(str, range(CLASSES))))
    data = Prepared(resized, torch.from_numpy(labels).long(), spec, "", source)
    with TemporaryDirectory() as folder, document(images, labels, given) as timed:
        trials = {
            name: Trial(one, data, folder=Path(folder) / name) for name, one in settings.items()
        }
        timed(given.warm_up)
        for trial in trials.values():
            trial.turn(given.warm_up)
        turns = [
            lambda _: timed(given.steps),
            *(ganlab_turn(trial, given.steps) for trial in trials.values()),
        ]
        its, *ours = interleave(turns, given.turns)
    table: list[Sequence[str]] = [
        ("", "img/s", "ms a step", "ratio", "ms without loading", "ratio without loading")
    ]
    rows = {"the document's loop, fp32": its}
    for (name, trial), one in zip(trials.items(), ours, strict=True):
        said = " (its default here)" if name == "auto" else ""
        rows[f"ganlab, {trial.model.choices.precision}{said}"] = one
    for name, times in rows.items():
        columns = []
        for with_data in (0, 1):
            ms = [1000 * both[with_data] for both in times]
            ratios = [a[with_data] / b[with_data] for a, b in zip(its, times, strict=True)]
            columns += [spread(ms, digits=1), "1" if times is its else spread(ratios)]
        speed = given.batch / sorted(both[0] for both in times)[len(times) // 2]
        table.append((name, f"{speed:,.0f}", *columns))
    title = (
        f"{source}, {len(images):,} images at {given.size} x {given.size}, batch {given.batch}, "
        f"width {given.width}, {given.turns} turns of {given.steps} steps (middle, least to most); "
        f"ganlab resizes the images once, before: {preparing:.1f} s"
    )
    report(given, title=title, rows=table)


def ganlab_turn(trial: Trial, steps: int) -> Callable[[int], Pair]:
    """Return a function that measures a turn: seconds per step, with and without making batches."""

    def turn(_: int) -> Pair:
        found = trial.turn(steps)
        return found.seconds / steps, (found.seconds - found.parts["data"]) / steps

    return turn


@contextmanager
def document(
    images: np.ndarray, labels: np.ndarray, given: argparse.Namespace
) -> Iterator[Callable[[int], Pair]]:
    """Yield a function that times steps of the document's loop in another process."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs, images, labels, given))
    process.start()
    theirs.close()

    def timed(steps: int) -> Pair:
        ours.send(steps)
        pair: Pair = ours.recv()
        return pair

    try:
        yield timed
    finally:
        ours.close()  # ends the process
        process.join()


def serve(
    asked: Connection, images: np.ndarray, labels: np.ndarray, given: argparse.Namespace
) -> None:
    """Time steps of the document's loop whenever the parent process requests them."""
    if given.threads:
        torch.set_num_threads(given.threads)
    loop = Document(
        images,
        labels,
        device=choose_device(given.device),
        batch=given.batch,
        size=given.size,
        width=given.width,
    )

    def seconds(run: Callable[[int], None], steps: int) -> float:
        synchronize(loop.device)
        start = time.perf_counter()
        run(steps)
        synchronize(loop.device)
        return (time.perf_counter() - start) / steps

    while True:
        try:
            steps = asked.recv()
        except EOFError:
            return
        without = seconds(loop.without_loader, steps)
        loop.drain()
        pair = seconds(loop.with_loader, steps), without
        loop.pause()
        asked.send(pair)


def find_digits(
    one: Experiment, root: Path | None, *, count: int
) -> tuple[np.ndarray, np.ndarray, str]:
    """Return MNIST's train split, or random images of its shape if it is not in ``root``."""
    try:
        with offline():
            found = one.dataset.read(data_root(root), "train")
        return np.array(found.images), np.asarray(found.labels), one.dataset.name
    except (DataUnavailable, Offline):
        images = np.random.default_rng(0).integers(256, size=(count, 28, 28), dtype=np.uint8)
        return images, np.arange(count) % CLASSES, "random images"


if __name__ == "__main__":
    main()
