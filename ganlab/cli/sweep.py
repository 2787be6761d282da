"""``ganlab sweep``: train every experiment of a grid, then rank them."""

from __future__ import annotations

import json
import signal
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ganlab.cli.app import (
    app_of,
    data_root_option,
    plugins_dir_option,
    runs_dir_option,
    set_option,
    warn,
)
from ganlab.cli.launch import refuse_several
from ganlab.errors import ConfigError, GanlabError, Problem

if TYPE_CHECKING:
    from ganlab.cli.eval import Scorer
    from ganlab.cli.run import Trainer
    from ganlab.config.experiment import Experiment
    from ganlab.config.sweeps import Point
    from ganlab.runs import Run
    from ganlab.training.session import Plan


@click.command("sweep")
@click.argument("file", type=click.Path(path_type=Path))
@set_option
@click.option("-n", "--dry-run", is_flag=True, help="Print what would be trained, and stop.")
@click.option("--device", metavar="DEVICE", help="auto, cpu, cuda or cuda:<number>.")
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
    from ganlab.cli.eval import print_board
    from ganlab.cli.run import Trainer
    from ganlab.config.sweeps import load_sweep

    refuse_several("sweep")
    if no_board and html is not None:
        raise click.UsageError("--html is the board as a page: leave out --no-board")
    plugins = app_of(ctx).plugins()
    plugins.check_local()
    options = [f"train.device={device}"] if device else []
    points = load_sweep(file, plugins, [*overrides, *options])
    trainer = Trainer(ctx, data_root=data_root, runs_dir=runs_dir)
    experiment = points[0].loaded.experiment
    scorer = None if no_board else _scorer(ctx, experiment, device=device, root=data_root)
    checked = _check(points, trainer, scorer, file)
    if dry_run:
        click.echo(_table(checked))
        return
    runs, failed = _train_all(ctx, checked, trainer)
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
        checked.append(Checked(point, planned.folder, _status(planned), finished))
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


def _train_all(
    ctx: click.Context, checked: Sequence[Checked], trainer: Trainer
) -> tuple[list[Run], list[str]]:
    """Train what is not finished. Returns the runs, and what failed for which reason."""
    runs: list[Run] = []
    failed: list[str] = []
    reasons: set[str] = set()
    for number, one in enumerate(checked, start=1):
        click.secho(f"[{number}/{len(checked)}] {one.point}", err=True, bold=True)
        click.echo(f"run            {one.folder}", err=True)
        if one.finished is not None:
            click.echo("finished already", err=True)
            runs.append(one.finished)
            continue
        try:
            run = _train(one, trainer)
        except Exception as error:  # the others are trained nevertheless
            known = isinstance(error, GanlabError)
            reason = str(error) if known else f"{type(error).__name__}: {error}"
            failed.append(f"{one.point}: {reason.splitlines()[0]}")
            if not known and reason not in reasons:  # a bug: whoever mends it needs its place
                click.echo("".join(traceback.format_exception(error)), err=True, nl=False)
            warn("failed like one before" if reason in reasons else f"failed: {reason}")
            reasons.add(reason)
            continue
        if run.info["status"] == "interrupted":
            name = signal.Signals(run.info["signal"]).name
            left = f"{len(checked) - number + 1} of {len(checked)} are left"
            click.echo(f"{name}: saved; {left}; repeat the command to go on.", err=True)
            ctx.exit(128 + run.info["signal"])
        runs.append(run)
    return runs, failed


def _train(one: Checked, trainer: Trainer) -> Run:
    from ganlab.cli.display import make_display

    return trainer.train(trainer.plan(one.point.loaded), partial(make_display, brief=True))


# --------------------------------------------------------------------------------- board


def _scorer(
    ctx: click.Context, experiment: Experiment, *, device: str | None, root: Path | None
) -> Scorer:
    """Return what scores the runs by the metrics and the extractor of the ``eval`` section."""
    from ganlab.cli.eval import Scorer
    from ganlab.config.experiment import as_block
    from ganlab.evaluation.request import Request

    metrics = [json.dumps(as_block(metric)) for metric in experiment.eval.metrics]
    extractor = experiment.eval.extractor
    request = Request(
        metrics=tuple(metrics),
        extractor=None if extractor is None else json.dumps(as_block(extractor)),
    )
    return Scorer(ctx, request, device=device or "auto", root=root)


def _check_board(planned: Plan, scorer: Scorer) -> None:
    """Raise what would keep the board from being made, before hours of training."""
    from ganlab.runs import Run

    run = Run(planned.folder, {"dataset": planned.dataset})
    scorer.comparison.measuring(run, planned.experiment.dataset)
