"""``ganlab sweep``: train every experiment of a grid, then rank them."""

from __future__ import annotations

import signal
import traceback
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
    from ganlab.config.sweeps import Point
    from ganlab.runs import Run


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
    from ganlab.config.sweeps import load_sweep, say

    plugins = app_of(ctx).plugins()
    plugins.check_local()
    options = [f"train.device={device}"] if device else []
    points = load_sweep(file, plugins, [*overrides, *options])
    if dry_run:
        click.echo(_table(points, runs_dir))
        return
    runs: list[Run] = []
    failed: list[str] = []
    for number, point in enumerate(points, start=1):
        title = f"[{number}/{len(points)}] {say(point.settings)}"
        click.secho(title, err=True, bold=True)
        ended = _train(ctx, point, data_root=data_root, runs_dir=runs_dir)
        if ended.signal:
            left = len(points) - number + 1
            click.echo(
                f"{signal.Signals(ended.signal).name}: {left} of {len(points)} are left; repeat "
                "the command to go on.",
                err=True,
            )
            ctx.exit(128 + ended.signal)
        if ended.run is None:
            failed.append(f"{title}: {ended.reason}")
        else:
            runs.append(ended.run)
    for line in failed:
        warn(f"failed: {line}")
    if runs and not no_board:
        _print_board(ctx, points, runs, html=html, device=device, data_root=data_root)
    if failed:
        ctx.exit(1)


@dataclass(frozen=True)
class Ended:
    """How one experiment of a sweep ended."""

    run: Run | None = None
    reason: str = ""
    signal: int | None = None


def _train(ctx: click.Context, point: Point, *, data_root: Path | None, runs_dir: Path) -> Ended:
    """Train one experiment, unless it is finished. What goes wrong is returned, not raised."""
    from ganlab.cli.run import prepare_and_train
    from ganlab.errors import GanlabError

    try:
        outcome = prepare_and_train(ctx, point.loaded, data_root=data_root, runs_dir=runs_dir)
    except GanlabError as error:
        warn(f"failed: {error}")
        return Ended(reason=str(error).splitlines()[0])
    except Exception as error:  # a bug in a plugin must not stop the others
        traceback.print_exc()
        return Ended(reason=f"{type(error).__name__}: {error}")
    assert outcome is not None
    run = outcome.run
    if outcome.was_finished:
        click.echo("finished already", err=True)
    if run.info["status"] == "interrupted":
        return Ended(signal=run.info.get("signal") or signal.SIGINT)
    return Ended(run)


def _table(points: list[Point], runs_dir: Path) -> str:
    """Return what would be trained: settings, folder, and how far it is."""
    from ganlab.cli.tables import columns
    from ganlab.config.sweeps import shown_plainly
    from ganlab.errors import RunError
    from ganlab.runs import read_run, run_folder

    rows = [("", *points[0].settings, "run", "status")]
    for number, point in enumerate(points, start=1):
        experiment = point.loaded.experiment
        folder = run_folder(
            runs_dir,
            experiment=experiment.name,
            identity=experiment.identity(),
            seed=experiment.train.seed,
        )
        try:
            status = read_run(folder).status
        except RunError:
            status = "new"
        settings = map(shown_plainly, point.settings.values())
        rows.append((str(number), *settings, str(folder), status))
    return columns(rows)


def _print_board(
    ctx: click.Context,
    points: list[Point],
    runs: list[Run],
    *,
    html: Path | None,
    device: str | None,
    data_root: Path | None,
) -> None:
    """Score the runs as the sweep's ``eval`` section asks, and print their table."""
    import yaml

    from ganlab.cli.eval import Scorer, print_board
    from ganlab.config.experiment import as_block
    from ganlab.evaluation.request import Request

    asked = points[0].loaded.experiment.eval
    request = Request(
        metrics=tuple(
            yaml.safe_dump(as_block(metric), default_flow_style=True, width=2**30).strip()
            for metric in asked.metrics
        ),
        extractor=None
        if asked.extractor is None
        else yaml.safe_dump(as_block(asked.extractor), default_flow_style=True).strip(),
    )
    scorer = Scorer(ctx, request, device=device or "auto", root=data_root)
    print_board(scorer.entries(runs, strict=False), html=html)
