"""``ganlab run``: train an experiment."""

from __future__ import annotations

import signal
from dataclasses import dataclass
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

if TYPE_CHECKING:
    from ganlab.config.experiment import Experiment
    from ganlab.config.resolve import Loaded
    from ganlab.data.prepare import Prepared
    from ganlab.evaluation.during import DuringTraining
    from ganlab.runs import Run
    from ganlab.training.session import Plan


@click.command()
@click.argument("experiment", type=click.Path(path_type=Path))
@set_option
@click.option("--fresh", is_flag=True, help="Start over; the run that is there is set aside.")
@click.option("--device", metavar="DEVICE", help="auto, cpu, cuda or cuda:<number>.")
@click.option("--init-from", metavar="RUN", help="Start from the weights of another run.")
@data_root_option
@runs_dir_option
@plugins_dir_option
@click.option("--allow-changes", is_flag=True, help="Go on though data or plugin files changed.")
@click.option("-n", "--dry-run", is_flag=True, help="Check everything, print the plan, train not.")
@click.pass_context
def command(
    ctx: click.Context,
    experiment: Path,
    overrides: tuple[str, ...],
    fresh: bool,
    device: str | None,
    init_from: str | None,
    data_root: Path | None,
    runs_dir: Path,
    allow_changes: bool,
    dry_run: bool,
) -> None:
    """Train an experiment, or go on with its run.

    \b
    ganlab run experiments/cgan_digits.yaml
    ganlab run experiments/cgan_mnist.yaml -s train.epochs=2 -s conditioning=cbn

    The same command again goes on where a run was stopped, and does nothing for a finished one. A
    longer budget continues a finished run.
    """
    from ganlab.config.resolve import load_experiment
    from ganlab.runs import find_run

    options = [f"train.device={device}"] if device else []
    plugins = app_of(ctx).plugins()
    plugins.check_local()
    if init_from:  # an experiment's name means its newest run, which may be another one tomorrow
        options.append(f"train.init_from={find_run(init_from, runs_dir).path}")
    loaded = load_experiment(experiment, plugins, [*overrides, *options])
    outcome = prepare_and_train(
        ctx,
        loaded,
        data_root=data_root,
        runs_dir=runs_dir,
        fresh=fresh,
        allow_changes=allow_changes,
        dry_run=dry_run,
    )
    if outcome is not None:
        _say_how_it_ended(ctx, outcome)


@dataclass(frozen=True)
class Outcome:
    """A run after a session of it."""

    plan: Plan
    run: Run
    was_finished: bool
    """There was nothing left to do."""


def prepare_and_train(
    ctx: click.Context,
    loaded: Loaded,
    *,
    data_root: Path | None,
    runs_dir: Path,
    fresh: bool = False,
    allow_changes: bool = False,
    dry_run: bool = False,
) -> Outcome | None:
    """Check everything, say what will happen, and train. None if it was a dry run."""
    from ganlab.cli.display import make_display, plan_lines
    from ganlab.training.model import check_networks
    from ganlab.training.precision import choose_device
    from ganlab.training.session import execute, plan

    choose_device(loaded.experiment.train.device)  # before data is downloaded for nothing
    check_networks(loaded.experiment)
    chosen, data, asked = _find_data(loaded.experiment, ctx, data_root)
    planned = plan(
        chosen,
        text=loaded.text,
        data=data,
        asked=asked,
        plugins=app_of(ctx).plugins(),
        runs=runs_dir,
        fresh=fresh,
    )
    for line in plan_lines(planned):
        click.echo(line, err=not dry_run)
    evaluator = evaluator_of(planned, root=data_root)
    if dry_run:
        return None
    was_finished = planned.finished
    run = execute(planned, display=make_display, evaluator=evaluator, allow_changes=allow_changes)
    return Outcome(planned, run, was_finished)


def evaluator_of(planned: Plan, *, root: Path | None) -> DuringTraining | None:
    """Return what scores the run while it trains, if its experiment asks for that."""
    if planned.experiment.eval.options.every is None:
        return None
    from ganlab.evaluation.during import DuringTraining

    return DuringTraining(
        planned.experiment,
        planned.dataset,
        planned.plugins,
        device=planned.model.choices.device,
        root=root,
    )


def _find_data(
    experiment: Experiment, ctx: click.Context, root: Path | None
) -> tuple[Experiment, Prepared, str]:
    """Return the data, or the fallback's where the experiment names one and needs it."""
    from ganlab.config.resolve import fallback_of
    from ganlab.data.prepare import prepare
    from ganlab.errors import DataUnavailable

    asked = experiment.dataset.name
    try:
        return experiment, prepare(experiment.dataset, root=root), asked
    except DataUnavailable as error:
        fallback = fallback_of(experiment, app_of(ctx).plugins())
        if fallback is None:
            raise
        warn(f"{error}")
        warn(f"falling back: this run trains on '{fallback.dataset.name}', not on '{asked}'")
        return fallback, prepare(fallback.dataset, root=root), asked


def _say_how_it_ended(ctx: click.Context, outcome: Outcome) -> None:
    run, planned = outcome.run, outcome.plan
    again = "repeat the command to go on"
    number = run.info.get("signal") if run.info["status"] == "interrupted" else None
    if number:
        name = signal.Signals(number).name
        click.echo(f"{name} at step {run.progress.steps}: saved; {again}.", err=True)
        ctx.exit(128 + number)
    if outcome.was_finished:
        click.echo(
            "This run is finished: give it a longer budget to go on, or --fresh to start over.",
            err=True,
        )
    if planned.asked != planned.data.source:
        warn(f"this run was trained on '{planned.data.source}', not on '{planned.asked}'")
    sheets = sorted(run.samples.glob("*.png"), key=lambda path: path.stat().st_mtime)
    rows = {
        "run": run.path,
        "samples": sheets[-1] if sheets else None,
        "history": run.path / "samples.gif",
        "curves": run.path / "curves.png",
        "scores": run.path / "scores.png",
        "next": f"ganlab sample {run.path}",
    }
    for label, value in rows.items():
        if isinstance(value, str) or (value is not None and value.exists()):
            click.echo(f"{label:<8} {value}")
