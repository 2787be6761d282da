"""Compare the scores of ganlab's fast training step with those of the document's loop.

Both train the document's networks on the same digits for the same number of images, once for each
seed: the document's loop in float32, ganlab with its defaults. Both are scored by the same
command. The scores count as equal if their means differ by less than one pooled standard
deviation.

    python benchmarks/equal_quality.py
    python benchmarks/equal_quality.py --seeds 5 --epochs 25 --threads 2
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from _document import CLASSES, NOISE, Document, add_sizes, same_sizes
from _timing import EXPERIMENTS, begin, experiment, parser_of, report
from PIL import Image

from ganlab.data.prepare import prepare
from ganlab.training.precision import choose_device

METRICS = ("fid", "cond-acc")
DRAWN = 200
"""Images drawn per class: more than are scored, so that ganlab selects them by its own quotas."""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = parser_of(__doc__, steps=0)
    parser.prog = "equal_quality.py"
    parser.add_argument("--seeds", type=int, default=5, help="runs of each")
    parser.add_argument("--epochs", type=int, default=25, help="passes over the digits")
    add_sizes(parser, batch=64, size=32)
    given = begin(parser, arguments)
    settings = (
        "dataset=digits",
        *same_sizes(given),
        f"train.epochs={given.epochs}",
        f"train.device={given.device}",
    )
    file = EXPERIMENTS / "cgan_mnist.yaml"
    images = prepare(experiment(file, *settings, device=given.device).dataset)
    with TemporaryDirectory() as folder:
        place = Path(folder)
        runs = ("--runs-dir", place / "runs")
        for seed in range(given.seeds):
            overrides = [f"--set={setting}" for setting in (*settings, f"train.seed={seed}")]
            ganlab(given, "run", file, *runs, *overrides)
            draw_document(place / f"document-{seed}", seed, images.images, images.labels, given)
        asked = [f"--metric={metric}" for metric in METRICS]
        (run, *_) = (place / "runs").glob("*/*-s0")
        for seed in range(given.seeds):
            theirs = ("--images", place / f"document-{seed}", "--reference", run)
            board = json.loads(ganlab(given, "eval", *runs, *theirs, *asked, "--json"))
        (table,) = board
    ours: dict[str, list[float]] = {}
    its: dict[str, list[float]] = {metric: [] for metric in METRICS}
    for row in table["rows"]:
        if len(row["runs"]) == given.seeds and given.seeds > 1:
            ours = row["values"]
        else:
            for metric in METRICS:
                its[metric] += row["values"][metric]
    rows: list[Sequence[str]] = [("", "log FID", "conditional accuracy", "FID")]
    columns = {
        "the document's loop, fp32": (its["fid"], its["cond-acc"]),
        "ganlab as it chooses": (ours["fid"], ours["cond-acc"]),
    }
    for name, (fid, accuracy) in columns.items():
        rows.append((name, mean_sd([*map(math.log, fid)]), mean_sd(accuracy), mean_sd(fid, 1)))
    pooled = [
        difference([*map(math.log, ours["fid"])], [*map(math.log, its["fid"])]),
        difference(ours["cond-acc"], its["cond-acc"]),
        difference(ours["fid"], its["fid"]),
    ]
    rows.append(("difference, in pooled standard deviations", *(f"{d:+.2f}" for d in pooled)))
    title = (
        f"digits, {len(images.images):,} images at {given.size} x {given.size}, batch "
        f"{given.batch}, width {given.width}, {given.epochs} epochs, {given.seeds} seeds"
    )
    report(given, title=title, rows=rows)


def ganlab(given: argparse.Namespace, *arguments: str | Path) -> str:
    """Run a command and return its output."""
    environment = os.environ | ({"OMP_NUM_THREADS": str(given.threads)} if given.threads else {})
    line = [sys.executable, "-m", "ganlab", *map(str, arguments)]
    done = subprocess.run(line, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


@torch.no_grad()
def draw_document(
    folder: Path, seed: int, images: torch.Tensor, labels: torch.Tensor, given: argparse.Namespace
) -> None:
    """Train the document's loop, and write its images into one folder per class."""
    torch.manual_seed(seed)
    loop = Document(
        images[:, 0].numpy(),
        labels.numpy(),
        device=choose_device(given.device),
        batch=given.batch,
        size=given.size,
        width=given.width,
    )
    with torch.enable_grad():
        loop.with_loader(given.epochs * len(images) // given.batch)
    loop.net_g.eval()
    for digit in range(CLASSES):
        (folder / str(digit)).mkdir(parents=True)
        noise = torch.randn(DRAWN, NOISE, 1, 1, device=loop.device)
        fake = loop.net_g(noise, loop.onehot[digit].expand(DRAWN, -1, -1, -1))
        pixels = fake.add(1).mul(127.5).round().clamp(0, 255).to("cpu", torch.uint8)
        for number, picture in enumerate(np.asarray(pixels[:, 0])):
            Image.fromarray(picture).save(folder / str(digit) / f"{number:04d}.png")


def mean_sd(values: Sequence[float], digits: int = 3) -> str:
    return f"{statistics.mean(values):.{digits}f} ± {statistics.stdev(values):.{digits}f}"


def difference(a: Sequence[float], b: Sequence[float]) -> float:
    """Return the difference of the means over the pooled standard deviation."""
    pooled = math.sqrt((statistics.variance(a) + statistics.variance(b)) / 2)
    apart = statistics.mean(a) - statistics.mean(b)
    return apart / pooled if pooled else math.copysign(math.inf, apart) if apart else 0.0


if __name__ == "__main__":
    main()
