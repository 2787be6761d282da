"""``ganlab sweep``: train every experiment of a grid, then rank them."""

from __future__ import annotations

import json
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ganlab.cli.app import (
    app_of,
    data_root_option,
    plugins_dir_option,
    runs_dir_option,
    set_option,
    warn,
)
from ganlab.cli.early import SweepCommand
from ganlab.errors import ConfigError, GanlabError, Problem

if TYPE_CHECKING:
    from ganlab.cli.eval import Scorer
    from ganlab.cli.run import Trainer
    from ganlab.config.experiment import Experiment
    from ganlab.config.sweeps import Point
    from ganlab.runs import Run
    from ganlab.sweeping.jobs import Engine, Job
    from ganlab.training.session import Plan

ENGINES = ("here", "ray")


@click.command("sweep", cls=SweepCommand)
@click.argument("file", type=click.Path(path_type=Path))
@set_option
@click.option("-n", "--dry-run", is_flag=True, help="Print what would be trained, and stop.")
@click.option("--device", metavar="DEVICE", help="auto, cpu, cuda or cuda:<number>.")
@click.option(
    "-j",
    "--jobs",
    type=click.IntRange(min=1),
    metavar="N",
    help="Runs at the same time; default: one for each GPU, else one.",
)
@click.option(
    "--on",
    type=click.Choice(ENGINES),
    default=ENGINES[0],
    show_default=True,
    help="What trains the runs: this machine, or a Ray cluster.",
)
@click.option(
    "--ray-address",
    metavar="ADDRESS",
    envvar="RAY_ADDRESS",
    show_envvar=True,
    help="The cluster; default: one that runs here, else `local`, which starts one.",
)
@click.option("--no-board", is_flag=True, help="Train only: no scores at the end.")
@click.option(
    "--html",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the board as a page with pictures and curves too.",
)
@data_root_option
@runs_dir_option
@plugins_dir_option
@click.pass_context
def command(
    ctx: click.Context,
    file: Path,
    overrides: tuple[str, ...],
    dry_run: bool,
    device: str | None,
    jobs: int | None,
    on: str,
    ray_address: str | None,
    no_board: bool,
    html: Path | None,
    data_root: Path | None,
    runs_dir: Path,
) -> None:
    """Train every experiment of a grid, and print their leaderboard.

    \b
    ganlab sweep experiments/sweep_quick.yaml
    ganlab sweep experiments/sweep_conditioning_digits.yaml --dry-run

    FILE is an experiment with a section `sweep`, which lists values for any keys. Finished runs are
    skipped and interrupted ones go on, so the same command again does what is left. One that fails
    is reported, and the others are trained.
    """
    from ganlab.cli.engines import check_engine, make_engine
    from ganlab.cli.eval import print_board
    from ganlab.cli.run import Trainer
    from ganlab.config.sweeps import load_sweep

    if no_board and html is not None:
        raise click.UsageError("--html is the board as a page: leave out --no-board")
    plugins = app_of(ctx).plugins()
    plugins.check_local()
    options = [f"train.device={device}"] if device else []
    points = load_sweep(file, plugins, [*overrides, *options])
    experiments = [point.loaded.experiment for point in points]
    experiment = experiments[0]
    check_engine(on, experiments)
    trainer = Trainer(ctx, data_root=data_root, runs_dir=runs_dir)
    scorer = None
    if not no_board:
        at_once = jobs if on == "here" else None
        scorer = _scorer(ctx, experiment, device=device, root=data_root, jobs=at_once)
    checked = _check(points, trainer, scorer, file)
    if dry_run:
        click.echo(_table(checked))
        return
    todo = _jobs(ctx, checked, trainer)
    engine = make_engine(on, todo, trainer, count=jobs, ray_address=ray_address)
    runs, failed = _train_all(ctx, checked, todo, engine)
    if failed:
        warn("\n  ".join([f"{len(failed)} of {len(points)} failed", *failed]))
    if scorer is not None and runs:
        print_board(scorer.entries(runs, strict=False), html=html)
    if failed:
        ctx.exit(1)


# --------------------------------------------------------------------------------- check


@dataclass(frozen=True)
class Checked:
    """An experiment that can be trained."""

    point: Point
    folder: Path
    status: str
    finished: Run | None
    """Its run, if there is nothing left to do."""

    dataset: dict[str, Any]
    """What the run records of its data."""


def _check(
    points: Sequence[Point], trainer: Trainer, scorer: Scorer | None, file: Path
) -> list[Checked]:
    """Plan every experiment, and raise all that is wrong with any of them."""
    checked: list[Checked] = []
    wrong: dict[str, list[Point]] = {}
    for point in points:
        try:
            planned = trainer.plan(point.loaded)
            if scorer is not None and not planned.finished:
                _check_board(planned, scorer)
        except GanlabError as error:
            problems = error.problems if isinstance(error, ConfigError) else [error]
            for problem in problems:
                wrong.setdefault(str(problem), []).append(point)
            continue
        for other in checked:
            if other.folder == planned.folder:
                reason = (
                    f"is the same run as {other.point}: budgets, intervals, device and callbacks "
                    "do not tell runs apart"
                )
                wrong.setdefault(reason, []).append(point)
        finished = planned.existing if planned.finished else None
        checked.append(Checked(point, planned.folder, _status(planned), finished, planned.dataset))
    if wrong:
        raise ConfigError(
            [Problem(_named(found, points), reason) for reason, found in wrong.items()], str(file)
        )
    return checked


def _named(found: Sequence[Point], points: Sequence[Point]) -> str:
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


def _table(checked: Sequence[Checked]) -> str:
    """Return what would be trained: settings, folder, and how far it is."""
    from ganlab.cli.tables import columns
    from ganlab.config.sweeps import in_words

    rows = [("", *checked[0].point.settings, "run", "status")]
    for number, one in enumerate(checked, start=1):
        settings = map(in_words, one.point.settings.values())
        rows.append((str(number), *settings, str(one.folder), one.status))
    return columns(rows)


# --------------------------------------------------------------------------------- train


def _jobs(ctx: click.Context, checked: Sequence[Checked], trainer: Trainer) -> list[Job]:
    """Return what is left to train, complete enough for another process."""
    from ganlab.cli.work import place_of
    from ganlab.sweeping.jobs import Job

    place = place_of(app_of(ctx), trainer.data_root)
    return [
        Job(
            number=number,
            name=one.point.loaded.experiment.name,
            experiment=one.point.loaded.experiment.resolved(),
            text=one.point.loaded.text,
            dataset=one.dataset,
            runs=str(trainer.runs_dir),
            place=place,
        )
        for number, one in enumerate(checked, start=1)
        if one.finished is None
    ]


def _train_all(
    ctx: click.Context, checked: Sequence[Checked], jobs: Sequence[Job], engine: Engine
) -> tuple[list[Run], list[str]]:
    """Train what is not finished. Returns the runs, and what failed for which reason."""
    from ganlab.cli.progress import Announced, Progress
    from ganlab.runs import read_run
    from ganlab.sweeping.jobs import InTurn

    progress = Progress(
        [Announced(str(one.point), one.folder, one.finished is not None) for one in checked],
        several=not isinstance(engine, InTurn),
    )
    for event in engine.run(jobs) if jobs else ():
        progress.tell(event)
    if progress.interrupted is not None:
        name = signal.Signals(progress.interrupted).name
        left = f"{progress.left} of {len(checked)} are left"
        click.echo(f"{name}: saved; {left}; repeat the command to go on.", err=True)
        ctx.exit(128 + progress.interrupted)
    progress.announce_done()
    runs = [
        one.finished or read_run(one.folder)
        for number, one in enumerate(checked, start=1)
        if number in progress.finished
    ]
    return runs, [progress.failed[number] for number in sorted(progress.failed)]


# --------------------------------------------------------------------------------- board


def _scorer(
    ctx: click.Context,
    experiment: Experiment,
    *,
    device: str | None,
    root: Path | None,
    jobs: int | None,
) -> Scorer:
    """Return what scores the runs by the metrics and the extractor of the ``eval`` section."""
    from ganlab.cli.eval import Scorer
    from ganlab.config.experiment import as_block
    from ganlab.evaluation.request import ScoreRequest

    metrics = [json.dumps(as_block(metric)) for metric in experiment.eval.metrics]
    extractor = experiment.eval.extractor
    request = ScoreRequest(
        metrics=tuple(metrics),
        extractor=None if extractor is None else json.dumps(as_block(extractor)),
    )
    return Scorer(ctx, request, device=device or "auto", root=root, jobs=jobs)


def _check_board(planned: Plan, scorer: Scorer) -> None:
    """Raise what would keep the board from being made, before hours of training."""
    from ganlab.runs import Run

    run = Run(planned.folder, {"dataset": planned.dataset})
    scorer.comparison.evaluator_for(run, planned.experiment.dataset)
