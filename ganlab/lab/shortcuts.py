"""``ganlab.train`` and the like: the methods of a `Lab` in the working directory.

Each call makes a lab of its own, so that plugin files which were added meanwhile are found.
"""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING, Any

from ganlab.lab.lab import Lab, Runs
from ganlab.lab.workspace import ExperimentLike, Overrides

if TYPE_CHECKING:
    from ganlab.benching.report import Benchmark
    from ganlab.config.experiment import Experiment
    from ganlab.results import Board, Run


def train(experiment: ExperimentLike, overrides: Overrides = (), **options: Any) -> Run:
    """Train an experiment, or continue its run: see `Lab.train`."""
    return Lab().train(experiment, overrides, **options)


def sweep(file: str | PathLike[str], overrides: Overrides = (), **options: Any) -> Board:
    """Train every experiment of a sweep, and return their leaderboard: see `Lab.sweep`."""
    return Lab().sweep(file, overrides, **options)


def evaluate(runs: Runs = None, **options: Any) -> Board:
    """Score runs and return the leaderboard: see `Lab.evaluate`."""
    return Lab().evaluate(runs, **options)


def runs(experiment: str | None = None) -> list[Run]:
    """Return the runs of an experiment, or all of them: see `Lab.runs`."""
    return Lab().runs(experiment)


def check(experiment: ExperimentLike, overrides: Overrides = ()) -> Experiment:
    """Check an experiment and return it with every option: see `Lab.check`."""
    return Lab().check(experiment, overrides)


def bench(experiment: ExperimentLike, overrides: Overrides = (), **options: Any) -> Benchmark:
    """Measure how fast an experiment trains: see `Lab.bench`."""
    return Lab().bench(experiment, overrides, **options)
