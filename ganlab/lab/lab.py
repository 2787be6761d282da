"""The object that stands where a command stands: it trains, scores, compares and draws."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from ganlab.errors import RunNotFound, UsageError
from ganlab.events import Tell, ignore
from ganlab.lab.workspace import ExperimentLike, Overrides, Workspace, override_texts

if TYPE_CHECKING:
    from ganlab.benching.report import Benchmark
    from ganlab.config.experiment import Experiment
    from ganlab.config.resolve import LoadedExperiment
    from ganlab.evaluation.request import ScoreRequest
    from ganlab.results import Board, Run
    from ganlab.run_directory import RunDirectory
    from ganlab.sampling import Epoch, Trained
    from ganlab.training.generate import Bn

Runs = str | PathLike[str] | Sequence[str | PathLike[str]] | None
"""Runs, their folders, or names of experiments; None for every finished run."""

log = logging.getLogger("ganlab")


class Lab(Workspace):
    """A place to train, score and compare: where runs and data lie, which plugins are loaded.

    Args:
        runs: the folder of all runs. Default: GANLAB_RUNS, or ``runs``.
        data_root: the folder of the datasets. Default: GANLAB_DATA, or one in the cache.
        plugins: folders of plugin files to load, beside ``./plugins``.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:<number>``, for whatever does not name one.

    Methods raise `ganlab.errors.GanlabError`. They print nothing; pass ``tell``, such as a display
    of `ganlab.display`, to follow what they do. Signal handlers, random states and torch's global
    settings are restored when they return.
    """

    def check(self, experiment: ExperimentLike, overrides: Overrides = ()) -> Experiment:
        """Check an experiment, building both networks without memory, and return it.

        Nothing is downloaded or written. Raises `ConfigError` with all problems.
        """
        return self.checked(experiment, overrides).experiment

    def checked(self, experiment: ExperimentLike, overrides: Overrides = ()) -> LoadedExperiment:
        """Return a checked experiment with the origin of each value: see `check`."""
        loaded = self.load_experiment(experiment, overrides)
        from ganlab.lab.phases import explained
        from ganlab.training.model import check_networks
        from ganlab.training.precision import choose_device

        choose_device(loaded.experiment.train.device)
        with explained("building the networks"):
            check_networks(loaded.experiment)
        return loaded

    # --------------------------------------------------------------------------- train

    def train(
        self,
        experiment: ExperimentLike,
        overrides: Overrides = (),
        *,
        fresh: bool = False,
        init_from: str | PathLike[str] | None = None,
        allow_changes: bool = False,
        tell: Tell = ignore,
    ) -> Run:
        """Train an experiment, or continue its run, and return the run.

        A finished run is returned at once, unless its budget is longer now.

        Args:
            experiment: a file, the name of an experiment, or its content as a dictionary.
            overrides: ``["train.epochs=2"]`` or ``{"train.epochs": 2}``.
            fresh: start over; a run that is there already is set aside.
            init_from: a run whose weights to start from.
            allow_changes: continue although data or plugin files have changed.
            tell: receives events while it runs.

        Raises:
            GanlabError: with one line that says what is wrong; its cause is the original error.
            KeyboardInterrupt: after SIGINT or SIGTERM, when the run has saved its state.
        """
        loaded = self.load_for_training(experiment, overrides, init_from=init_from)
        from ganlab.lab.phases import restored
        from ganlab.lab.trainer import Trainer

        with restored():
            trainer = Trainer(self, fresh=fresh, allow_changes=allow_changes, tell=tell)
            return self._run(trainer.train(trainer.plan(loaded)))

    def load_for_training(
        self,
        experiment: ExperimentLike,
        overrides: Overrides = (),
        *,
        init_from: str | PathLike[str] | None = None,
    ) -> LoadedExperiment:
        """Read an experiment with this lab's device and the weights to start from."""
        self.usable_plugins()
        extra = self._training_overrides(init_from)
        return self.load_experiment(experiment, [*override_texts(overrides), *extra])

    def _training_overrides(self, init_from: str | PathLike[str] | None) -> list[str]:
        """Return the overrides for this lab's device and for the weights to start from."""
        extra = [] if self.device == "auto" else [f"train.device={self.device}"]
        if init_from is not None:
            from ganlab.run_directory import find_run
            from ganlab.training.processes import from_main_process

            # An experiment's name means its newest run, which may be another one tomorrow.
            donor = from_main_process(lambda: find_run(str(init_from), self.runs_dir))
            extra.append(f"train.init_from={donor.path}")
        return extra

    def sweep(
        self,
        file: str | PathLike[str],
        overrides: Overrides = (),
        *,
        jobs: int | None = None,
        on: str = "here",
        ray_address: str | None = None,
        tell: Tell = ignore,
    ) -> Board:
        """Train every experiment of a sweep that is not finished, and return their leaderboard.

        Args:
            file: an experiment file with a section ``sweep``, or the name of one.
            overrides: as for `train`.
            jobs: how many runs to train at the same time; default: one for each GPU, else one.
            on: ``here`` or ``ray``.
            ray_address: the Ray cluster; default: one that runs here, else a new one.
            tell: receives events while it runs.

        Raises:
            ConfigError: with the problems of all experiments, before anything is trained.
            RunError: if no run could be trained and scored. Runs that failed while others did not
                are listed in the board's ``failed``.
        """
        from ganlab.lab.sweeps import Sweep

        sweep = Sweep(
            self, Path(file), overrides, jobs=jobs, on=on, ray_address=ray_address, tell=tell
        )
        runs = sweep.train(sweep.plan())
        return sweep.board(runs)

    # -------------------------------------------------------------------------- evaluate

    def evaluate(
        self,
        runs: Runs = None,
        *,
        metrics: Sequence[str] = (),
        profile: str = "standard",
        samples: int | None = None,
        seeds: int | None = None,
        epoch: Epoch = None,
        extractor: str | None = None,
        weights: str | PathLike[str] | None = None,
        bn: Bn = "running",
        raw: bool = False,
        truncation: float | None = None,
        jobs: int | None = 1,
        tell: Tell = ignore,
    ) -> Board:
        """Score runs and return the leaderboard. Scores are recorded and never computed twice.

        Args:
            runs: runs, folders, or names of experiments; by default every finished run.
            metrics: names; the first one ranks. By default those of the profile.
            profile: ``quick``, ``standard``, ``full`` or ``published``.
            samples: generated images for each sampling seed, instead of the profile's number.
            seeds: sampling seeds, instead of the profile's number.
            epoch: which weights: a number of finished epochs, ``"best"``, or None for the newest.
            extractor: where features come from; by default the first available one.
            weights: a file with the extractor's weights.
            bn, raw, truncation: how images are drawn: see `Trained.sample`.
            jobs: runs to score at the same time; None for one on each GPU.
            tell: receives events while it runs.

        Raises:
            RunError: if there is no run, or none could be scored.
        """
        from ganlab.lab.scoring import Scoring
        from ganlab.results import Board

        request = score_request(
            metrics, profile, samples, seeds, extractor, weights, bn, raw, truncation
        )
        named = bool(_listed(runs))
        found = self.find_runs(runs)
        scoring = Scoring(self, request, jobs=jobs, tell=tell)
        return Board.of(scoring.entries(found, epoch, strict=named or len(found) == 1))

    def find_runs(self, names: Runs = None, *, needed: bool = True) -> list[RunDirectory]:
        """Return the directories of the named runs, or of every finished one.

        Raises `RunNotFound` if there is none and one is ``needed``.
        """
        from ganlab.run_directory import find_run, list_runs

        listed = _listed(names)
        if listed:
            found = [find_run(os.fspath(name), self.runs_dir) for name in listed]
            for run in found:
                if run.status != "finished":
                    at = f"{run.status} at step {run.progress.steps:,}"
                    log.warning("%s is %s: what it has saved is scored", run.name, at)
            return found
        found = [run for run in list_runs(self.runs_dir) if run.info.get("status") == "finished"]
        if not found and needed:
            where = self.runs_dir
            raise RunNotFound(f"there is no finished run below {where}: train one with ganlab run")
        return found

    def add_images(
        self,
        folder: str | PathLike[str],
        *,
        labels: str | PathLike[str] | None = None,
        reference: str | None = None,
        runs: Sequence[RunDirectory] = (),
    ) -> RunDirectory:
        """Give images of another system a folder below the runs, so that they can be scored.

        Args:
            folder: the images, in a folder for each class.
            labels: a CSV of file and class, instead of class folders.
            reference: what they are scored against: a run, an experiment file, or a dataset.
            runs: without ``reference``, runs that all learned from the reference.
        """
        from ganlab.evaluation.external import add_images, reference_of

        folder = Path(folder)
        dataset = reference_of(reference, runs, folder, self.plugins, self.runs_dir)
        return add_images(
            folder,
            labels=None if labels is None else Path(labels),
            dataset=dataset,
            runs=self.runs_dir,
            root=self.data_root,
        )

    # --------------------------------------------------------------------- look and draw

    def runs(self, experiment: str | None = None) -> list[Run]:
        """Return the runs of an experiment, or all of them, sorted by folder."""
        from ganlab.run_directory import list_runs

        folder = self.runs_dir / experiment if experiment else self.runs_dir
        return [self._run(directory) for directory in list_runs(folder)]

    def run(self, name: str | PathLike[str]) -> Run:
        """Return one run: a folder, ``<experiment>/<id>``, or an experiment's newest run."""
        from ganlab.run_directory import find_run

        return self._run(find_run(os.fspath(name), self.runs_dir))

    def load(self, run: str | PathLike[str], *, trust_plugins: bool = False) -> Trained:
        """Open a run to draw images from it: see `ganlab.load`."""
        from ganlab.sampling import load

        return load(
            run,
            runs_dir=self.runs_dir,
            device=self.device,
            plugins=None if trust_plugins else self.plugins,
            trust_plugins=trust_plugins,
        )

    def _run(self, directory: RunDirectory) -> Run:
        from ganlab.results import Run

        return Run(directory.path, loader=self.load)

    def bench(
        self,
        experiment: ExperimentLike,
        overrides: Overrides = (),
        *,
        against: Sequence[Overrides] = (),
        seconds: float = 10.0,
        steps: int | None = None,
        data: str = "auto",
        tell: Tell = ignore,
    ) -> Benchmark:
        """Measure how fast an experiment trains, and where the time of a step goes.

        Args:
            experiment, overrides: as for `train`.
            against: overrides of further settings, measured in turns with the first one.
            seconds: how long to measure each setting.
            steps: how many steps to measure of each setting, instead of ``seconds``.
            data: ``auto``, or ``random`` or ``random:CHANNELSxCLASSES`` for random images.
            tell: receives events while it runs.
        """
        from ganlab.lab.benchmarks import bench

        return bench(
            self,
            experiment,
            override_texts(overrides),
            against=[override_texts(one) for one in against],
            seconds=seconds,
            steps=steps,
            data=data,
            tell=tell,
        )


def score_request(
    metrics: Sequence[str],
    profile: str,
    samples: int | None,
    seeds: int | None,
    extractor: str | None,
    weights: str | PathLike[str] | None,
    bn: Bn,
    raw: bool,
    truncation: float | None,
) -> ScoreRequest:
    """Return what is to be computed. Raises `UsageError` for an unknown profile."""
    from ganlab.evaluation.protocol import PROFILES
    from ganlab.evaluation.request import ScoreRequest

    if profile not in PROFILES:
        raise UsageError(f"there is no profile '{profile}'; allowed: {', '.join(PROFILES)}")
    if weights is not None and extractor is None:
        raise UsageError("weights belong to an extractor: name it")
    file = None if weights is None else os.fspath(weights)
    names = tuple([metrics] if isinstance(metrics, str) else metrics)
    return ScoreRequest(
        names, profile, samples, seeds, extractor, file, bn=bn, raw=raw, truncation=truncation
    )


def _listed(runs: Runs) -> Sequence[str | PathLike[str]]:
    if runs is None:
        return ()
    return [runs] if isinstance(runs, str | PathLike) else list(runs)
