"""``ganlab run``: train an experiment."""

from __future__ import annotations

import signal
from collections.abc import Callable
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
from ganlab.cli.early import TrainingCommand
from ganlab.cli.launch import in_processes

if TYPE_CHECKING:
    from ganlab.components import Dataset
    from ganlab.config.experiment import Experiment
    from ganlab.config.resolve import Loaded
    from ganlab.data.prepare import Prepared
    from ganlab.errors import DataUnavailable
    from ganlab.evaluation.periodic import PeriodicEvaluator
    from ganlab.runs import Run
    from ganlab.training.observers import Display
    from ganlab.training.session import Plan


@click.command("run", cls=TrainingCommand)
@click.argument("experiment", type=click.Path(path_type=Path))
@set_option
@click.option("--fresh", is_flag=True, help="Start over; the run that is there is set aside.")
@click.option("--device", metavar="DEVICE", help="auto, cpu, cuda or cuda:<number>.")
@click.option("--gpus", type=click.IntRange(1), metavar="N", help="One process on each of N GPUs.")
@click.option("--processes", type=click.IntRange(1), metavar="N", help="N processes on the CPU.")
@click.option("--init-from", metavar="RUN", help="Start from the weights of another run.")
@data_root_option
@runs_dir_option
@plugins_dir_option
@click.option("--allow-changes", is_flag=True, help="Go on though data or plugin files changed.")
@click.option("-n", "--dry-run", is_flag=True, help="Check everything, print the plan, train not.")
@click.pass_context
@in_processes
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
    longer budget continues a finished run. With --gpus, or under torchrun, several processes share
    each batch, and learn what one would.
    """
    from ganlab.cli.display import make_display, plan_lines
    from ganlab.config.resolve import load_experiment
    from ganlab.runs import find_run
    from ganlab.training.processes import from_main_process

    options = [f"train.device={device}"] if device else []
    plugins = app_of(ctx).plugins()
    plugins.check_local()
    if init_from:  # an experiment's name means its newest run, which may be another one tomorrow
        donor = from_main_process(lambda: find_run(init_from, runs_dir))
        options.append(f"train.init_from={donor.path}")
    loaded = load_experiment(experiment, plugins, [*overrides, *options])
    trainer = Trainer(
        ctx, data_root=data_root, runs_dir=runs_dir, fresh=fresh, allow_changes=allow_changes
    )
    planned = trainer.plan(loaded)
    for line in plan_lines(planned):
        click.echo(line, err=not dry_run)
    if not dry_run:
        was_finished = planned.finished
        run = trainer.train(planned, make_display)
        _say_how_it_ended(ctx, planned, run, was_finished=was_finished)


class Trainer:
    """Checks, plans and trains experiments. What several of them share is found once."""

    def __init__(
        self,
        ctx: click.Context,
        *,
        data_root: Path | None,
        runs_dir: Path,
        fresh: bool = False,
        allow_changes: bool = False,
    ) -> None:
        self.plugins = app_of(ctx).plugins()
        self.data_root = data_root
        self.runs_dir = runs_dir
        self.fresh = fresh
        self.allow_changes = allow_changes
        self._data: dict[str, Prepared | DataUnavailable] = {}
        self._evaluators: dict[str, PeriodicEvaluator] = {}
        self._warned: set[str] = set()

    def plan(self, loaded: Loaded) -> Plan:
        """Check everything and build what will be trained. Nothing is written."""
        from ganlab.training.model import check_networks
        from ganlab.training.precision import choose_device
        from ganlab.training.processes import check_batch_split, local_main_process_first
        from ganlab.training.session import plan

        experiment = loaded.experiment
        choose_device(experiment.train.device)  # before data is downloaded for nothing
        check_networks(experiment)
        check_batch_split(experiment.train)
        with local_main_process_first():
            chosen, data = self.find_data(experiment)
        planned = plan(
            chosen,
            text=loaded.text,
            data=data,
            asked=experiment.dataset.name,
            plugins=self.plugins,
            runs=self.runs_dir,
            fresh=self.fresh,
        )
        self._training_evaluator(planned)
        return planned

    def train(self, planned: Plan, display: Callable[[Run, Plan], Display]) -> Run:
        """Train what was planned, or return the run at once if it is finished."""
        from ganlab.training.session import execute

        training_evaluator = self._training_evaluator(planned)
        return execute(
            planned,
            display=display,
            training_evaluator=training_evaluator,
            allow_changes=self.allow_changes,
        )

    def _training_evaluator(self, planned: Plan) -> PeriodicEvaluator | None:
        """Return what scores the run while it trains, if there is something to score."""
        experiment = planned.experiment
        if experiment.eval.options.every is None or planned.finished:
            return None
        from ganlab.evaluation.periodic import PeriodicEvaluator

        described = experiment.resolved()
        key = str([described["dataset"], described["eval"], planned.model.choices.device])
        if key not in self._evaluators:
            self._evaluators[key] = PeriodicEvaluator(
                planned, root=self.data_root, say=lambda text: click.echo(f"  {text}", err=True)
            )
        return self._evaluators[key]

    def find_data(self, experiment: Experiment) -> tuple[Experiment, Prepared]:
        """Return the data, or the fallback's where the experiment names one and needs it."""
        from ganlab.config.resolve import fallback_of
        from ganlab.errors import DataUnavailable

        asked = self._prepared(experiment.dataset)
        if not isinstance(asked, DataUnavailable):
            return experiment, asked
        fallback = fallback_of(experiment, self.plugins)
        if fallback is None:
            raise asked
        self._warn_once(str(asked))
        names = f"'{fallback.dataset.name}', not on '{experiment.dataset.name}'"
        self._warn_once(f"falling back: this run trains on {names}")
        instead = self._prepared(fallback.dataset)
        if isinstance(instead, DataUnavailable):
            raise instead
        return fallback, instead

    def _prepared(self, dataset: Dataset) -> Prepared | DataUnavailable:
        """Return a dataset's images, or why they cannot be had."""
        from ganlab.config.experiment import as_block
        from ganlab.data.prepare import prepare
        from ganlab.errors import DataUnavailable

        key = str(as_block(dataset))
        if key not in self._data:
            try:
                self._data[key] = prepare(dataset, root=self.data_root)
            except DataUnavailable as error:
                self._data[key] = error
        return self._data[key]

    def _warn_once(self, text: str) -> None:
        if text not in self._warned:
            self._warned.add(text)
            warn(text)


def _say_how_it_ended(ctx: click.Context, planned: Plan, run: Run, *, was_finished: bool) -> None:
    again = "repeat the command to go on"
    number = run.info.get("signal") if run.info["status"] == "interrupted" else None
    if number:
        name = signal.Signals(number).name
        click.echo(f"{name} at step {run.progress.steps}: saved; {again}.", err=True)
        ctx.exit(128 + number)
    if was_finished:
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
