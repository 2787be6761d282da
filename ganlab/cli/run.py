"""``ganlab run``: train an experiment."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ganlab.cli import options
from ganlab.cli.early import TrainingCommand
from ganlab.cli.labs import lab_of, telling
from ganlab.cli.launch import in_processes
from ganlab.cli.stderr import warn
from ganlab.display.wording import fact_lines
from ganlab.errors import Interrupted
from ganlab.events import phase

if TYPE_CHECKING:
    from ganlab.run_directory import RunDirectory
    from ganlab.training.session import Plan


@click.command("run", cls=TrainingCommand)
@click.argument("experiment", type=click.Path(path_type=Path))
@options.overrides
@click.option("--fresh", is_flag=True, help="Start over; an existing run is set aside.")
@options.device
@click.option("--gpus", type=click.IntRange(1), metavar="N", help="One process on each of N GPUs.")
@click.option("--processes", type=click.IntRange(1), metavar="N", help="N processes on the CPU.")
@click.option("--init-from", metavar="RUN", help="Start from the weights of another run.")
@options.data_root
@options.runs_dir
@options.plugins_dir
@click.option("--allow-changes", is_flag=True, help="Continue if data or plugin files changed.")
@click.option(
    "-n",
    "--dry-run",
    is_flag=True,
    help="Validate the experiment and print the plan without training.",
)
@options.json_lines
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
    json_lines: bool,
) -> None:
    """Train an experiment, or continue its run.

    \b
    ganlab run cgan_digits
    ganlab run cgan_mnist -s train.epochs=2 -s conditioning="[cbn, projection]"
    ganlab run path/to/my_experiment.yaml

    EXPERIMENT is a file, or a name that `ganlab experiments` lists.

    The same command continues an interrupted run and does nothing for a finished one. A longer
    budget continues a finished run. With --gpus, or under torchrun, several processes share each
    batch; the result is that of one process.
    """
    lab = lab_of(ctx, runs_dir=runs_dir, data_root=data_root, device=device)
    with telling(json_lines=json_lines) as tell:
        with phase(tell, "loading"):
            loaded = lab.load_for_training(experiment, overrides, init_from=init_from)
            from ganlab.lab.trainer import Trainer

            trainer = Trainer(lab, fresh=fresh, allow_changes=allow_changes, tell=tell)
        planned = trainer.plan(loaded)
        was_finished = planned.finished
        if not dry_run:
            try:
                run = trainer.train(planned)
            except Interrupted as stopped:
                again = f"saved {stopped}; repeat the command to go on"
                raise Interrupted(stopped.signal, again) from stopped
    if dry_run:
        click.echo("\n".join(fact_lines(planned.facts())))
    elif not json_lines:
        _print_result(planned, run, was_finished=was_finished)


def _print_result(planned: Plan, run: RunDirectory, *, was_finished: bool) -> None:
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
