"""Shared code of the benchmarks: options, experiments, data and tables."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from ganlab.benching.data import RandomImages, make_random_images
from ganlab.benching.machine import summary
from ganlab.config.experiment import Experiment
from ganlab.config.resolve import load_experiment
from ganlab.plugins import Plugins, load_plugins
from ganlab.training.precision import choose_device
from ganlab.types import Prepared

EXPERIMENTS = Path(__file__).parents[1] / "experiments"


def parser_of(doc: str | None, *, steps: int, turns: int = 7) -> argparse.ArgumentParser:
    """Return a parser with the options of every benchmark."""
    parser = argparse.ArgumentParser(description=(doc or "").splitlines()[0])
    parser.add_argument("--steps", type=int, default=steps, help="steps in a turn")
    parser.add_argument("--turns", type=int, default=turns, help="turns of each")
    parser.add_argument("--warm-up", type=int, default=3, help="steps before the first turn")
    parser.add_argument("--threads", type=int, help="threads of PyTorch; its own choice by default")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:<number>")
    return parser


def begin(parser: argparse.ArgumentParser, arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line and set the number of threads."""
    given = parser.parse_args(arguments)
    given.command = " ".join([Path(parser.prog).name, *(arguments or sys.argv[1:])])
    if given.threads:
        torch.set_num_threads(given.threads)
    return given


_plugins: list[Plugins] = []


def experiment(file: Path, *overrides: str, device: str) -> Experiment:
    """Load an experiment file."""
    if not _plugins:
        _plugins.append(load_plugins())
    return load_experiment(file, _plugins[0], [*overrides, f"train.device={device}"]).experiment


def random_images(one: Experiment, *, count: int | None = None) -> Prepared:
    """Return random grey images of ten classes, in the image size of an experiment."""
    return make_random_images(one.dataset, RandomImages(count=count), at_least=one.train.batch_size)


def report(given: argparse.Namespace, *, title: str, rows: Sequence[Sequence[str]]) -> None:
    """Print the command, the machine, and a table whose first row is the header."""
    device = str(choose_device(given.device))
    print(f"`python benchmarks/{given.command}`: {title}. {summary(device)}, {date()}.\n")
    head, *body = rows
    for row in (head, ["---"] * len(head), *body):
        print(f"| {' | '.join(row)} |")


def date() -> str:
    """Return the current date."""
    return time.strftime("%Y-%m-%d")


def spread(values: Sequence[float], *, digits: int = 2) -> str:
    """Return median, minimum and maximum: ``1.32 (1.28 to 1.40)``."""
    middle = sorted(values)[len(values) // 2]
    return f"{middle:,.{digits}f} ({min(values):,.{digits}f} to {max(values):,.{digits}f})"
