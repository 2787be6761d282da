"""Sweeps: every experiment is checked first, then all are trained, then scored."""

from __future__ import annotations

import json
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganlab.config.experiment import component_block
from ganlab.config.resolve import LoadedExperiment, resolve
from ganlab.config.sweeps import GridPoint, load_sweep
from ganlab.errors import (
    ConfigError,
    GanlabError,
    Interrupted,
    Problem,
    RunError,
    UnexpectedError,
    UsageError,
)
from ganlab.evaluation.request import ScoreRequest
from ganlab.events import (
    Event,
    RunFailed,
    RunFinished,
    RunTold,
    SweepPlanned,
    Tell,
    ignore,
    phase,
    to_data,
)
from ganlab.lab.scoring import Scoring
from ganlab.lab.trainer import Trainer
from ganlab.lab.workspace import Overrides, Workspace, override_texts
from ganlab.results.board import Board
from ganlab.run_directory import RunDirectory, read_run
from ganlab.sweeping.jobs import AllStopped, InTurn, Job, Outcome, Stopped
from ganlab.sweeping.pool import Pool
from ganlab.sweeping.resources import places_for

if TYPE_CHECKING:
    from ganlab.sweeping.jobs import Engine
    from ganlab.training.session import Plan

WORKER = "ganlab.workers.train"
ENGINES = ("here", "ray")


@dataclass(frozen=True)
class PlannedRun:
    """An experiment of a sweep that can be trained."""

    point: GridPoint
    folder: Path
    status: str
    """``new``, ``finished``, or how far it is."""

    finished: RunDirectory | None
    """Its run, if there is nothing left to train."""

    dataset: dict[str, Any]
    """What the run records about its data."""


class Sweep:
    """Trains and scores the experiments of a sweep file."""

    def __init__(
        self,
        workspace: Workspace,
        file: Path,
        overrides: Overrides = (),
        *,
        jobs: int | None = None,
        on: str = "here",
        ray_address: str | None = None,
        scored: bool = True,
        tell: Tell = ignore,
    ) -> None:
        self.workspace = workspace
        self.file = file
        self.jobs = jobs
        self.on = on
        self.ray_address = ray_address
        self.scored = scored
        self.tell = tell
        self.failed: list[str] = []
        """What failed for which reason, after `train`."""

        device = [] if workspace.device == "auto" else [f"train.device={workspace.device}"]
        with phase(tell, "loading"):
            plugins = workspace.usable_plugins()
            self.points = load_sweep(file, plugins, [*override_texts(overrides), *device])
        self._check_engine()
        self.trainer = Trainer(workspace, tell=self._tell_in_turn)
        self._number = 0

    # --------------------------------------------------------------------------- check

    def plan(self) -> list[PlannedRun]:
        """Check and plan every experiment. Raises `ConfigError` with the problems of all."""
        planned_runs: list[PlannedRun] = []
        wrong: dict[str, list[GridPoint]] = {}
        with phase(self.tell, "checking", total=len(self.points), unit="experiments") as checking:
            for point in self.points:
                checking.advance()
                try:
                    planned = self.trainer.plan(point.loaded)
                    if self.scored and not planned.finished:
                        self._check_board(planned)
                except GanlabError as error:
                    problems = error.problems if isinstance(error, ConfigError) else [error]
                    for problem in problems:
                        wrong.setdefault(str(problem), []).append(point)
                    continue
                for other in planned_runs:
                    if other.folder == planned.folder:
                        reason = (
                            f"is the same run as {other.point}: budgets, intervals, device and "
                            "callbacks do not tell runs apart"
                        )
                        wrong.setdefault(reason, []).append(point)
                finished = planned.existing if planned.finished else None
                planned_runs.append(
                    PlannedRun(point, planned.folder, _status(planned), finished, planned.dataset)
                )
        if wrong:
            problems = [
                Problem(_named(found, self.points), reason) for reason, found in wrong.items()
            ]
            raise ConfigError(problems, str(self.file))
        return planned_runs

    def _check_board(self, planned: Plan) -> None:
        """Raise what would keep the board from being made, before hours of training."""
        run = RunDirectory(planned.folder, {"dataset": planned.dataset})
        self.scoring.scorer.evaluator_for(run, planned.experiment.dataset)

    def _check_engine(self) -> None:
        """Refuse an engine that cannot work."""
        if self.on not in ENGINES:
            raise UsageError(f"there is no engine '{self.on}'; allowed: {', '.join(ENGINES)}")
        if self.on == "here":
            return
        try:
            import_module("ganlab.sweeping.ray")
        except ModuleNotFoundError as error:
            if error.name != "ray":
                raise
            raise UsageError("--on ray needs Ray: pip install 'ganlab[ray]'") from error
        for device in {point.loaded.experiment.train.device for point in self.points}:
            if device.startswith("cuda:"):
                raise UsageError(f"--on ray gives each run a GPU of its own: leave out {device}")

    # --------------------------------------------------------------------------- train

    def train(self, planned: Sequence[PlannedRun]) -> list[RunDirectory]:
        """Train what is not finished, and return the finished runs.

        Raises `Interrupted` after a signal, when all runs have saved their state.
        """
        jobs = [
            self._job(number, one)
            for number, one in enumerate(planned, start=1)
            if one.finished is None
        ]
        engine = self._engine(jobs)
        finished = {number for number, one in enumerate(planned, start=1) if one.finished}
        self.tell(
            SweepPlanned(
                titles=[str(one.point) for one in planned],
                folders=[str(one.folder) for one in planned],
                finished=sorted(finished),
                parallel=not isinstance(engine, InTurn),
            )
        )
        failed: dict[int, str] = {}
        for event in engine.run(jobs) if jobs else ():
            if isinstance(event, AllStopped):
                left = len(planned) - len(finished) - len(failed)
                raise Interrupted(event.signal, f"{left} of {len(planned)} are left")
            self.tell(event)
            if isinstance(event, RunFinished):
                finished.add(event.number)
            elif isinstance(event, RunFailed):
                title = planned[event.number - 1].point
                failed[event.number] = f"{title}: {event.reason.splitlines()[0]}"
        self.failed = [failed[number] for number in sorted(failed)]
        return [
            one.finished or read_run(one.folder)
            for number, one in enumerate(planned, start=1)
            if number in finished
        ]

    def _job(self, number: int, planned: PlannedRun) -> Job:
        experiment = planned.point.loaded.experiment
        return Job(
            number=number,
            name=experiment.name,
            experiment=experiment.resolved(),
            text=planned.point.loaded.text,
            dataset=planned.dataset,
            place=self.workspace.place,
        )

    def _engine(self, jobs: Sequence[Job]) -> Engine:
        use_gpus = all(job.experiment["train"]["device"] in ("auto", "cuda") for job in jobs)
        if self.on == "ray":
            from ganlab.sweeping.ray import OnRay

            return OnRay(WORKER, address=self.ray_address, jobs=self.jobs, use_gpus=use_gpus)
        if slots := places_for(len(jobs), self.jobs, use_gpus=use_gpus):
            return Pool(WORKER, slots)
        return InTurn(self._train_in_turn)

    def _train_in_turn(self, job: Job) -> Outcome:
        self._number = job.number
        return train_job(job, self.trainer)

    def _tell_in_turn(self, event: Event) -> None:
        self.tell(RunTold(self._number, to_data(event)) if self._number else event)

    # --------------------------------------------------------------------------- board

    @cached_property
    def scoring(self) -> Scoring:
        """What scores the runs, as the ``eval`` section of the first experiment asks for."""
        asked = self.points[0].loaded.experiment.eval
        extractor = (
            None if asked.extractor is None else json.dumps(component_block(asked.extractor))
        )
        request = ScoreRequest(
            metrics=tuple(json.dumps(component_block(metric)) for metric in asked.metrics),
            extractor=extractor,
        )
        jobs = self.jobs if self.on == "here" else None
        return Scoring(self.workspace, request, jobs=jobs, tell=self.tell)

    def board(self, runs: Sequence[RunDirectory]) -> Board:
        """Score runs and return their leaderboard. Raises `RunError` if none could be scored."""
        if not runs:
            raise RunError("\n  ".join(["no run was trained to its end", *self.failed]))
        return Board.of(self.scoring.entries(runs, strict=False), failed=self.failed)


def train_job(job: Job, trainer: Trainer) -> Outcome:
    """Train a job's run, or find it finished, and return how it ended."""
    try:
        experiment = resolve(job.experiment, trainer.plugins, name=job.name)
        planned = trainer.plan(LoadedExperiment(experiment, {}, job.text))
        check_data(job, planned.dataset)
        trainer.train(planned)
    except Interrupted as stopped:
        return Stopped(job.number, stopped.signal)
    except GanlabError as error:
        cause = error.__cause__
        unexpected = isinstance(error, UnexpectedError) and cause is not None
        where = "".join(traceback.format_exception(cause)) if unexpected else ""
        return RunFailed(job.number, str(error), where)
    return RunFinished(job.number)


def check_data(job: Job, found: dict[str, Any]) -> None:
    """Refuse other data than the sweep was checked with."""
    if found != job.dataset:
        name = job.dataset["name"]
        raise RunError(f"finds other images of '{name}' than the sweep was checked with")


def _named(found: Sequence[GridPoint], points: Sequence[GridPoint]) -> str:
    """Name the experiments that share a problem: nothing if all do."""
    if len(found) == len(points):
        return ""
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return f"{found[0]}{more}"


def _status(planned: Plan) -> str:
    run = planned.existing
    if run is None:
        return "new"
    if run.status != "finished":
        return f"{run.status} at step {run.progress.steps:,}"
    return "finished" if planned.finished else f"goes on from step {run.progress.steps:,}"
