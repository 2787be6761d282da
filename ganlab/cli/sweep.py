"""``ganlab sweep``: train every experiment of a grid, then rank them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ganlab import display
from ganlab.cli import options
from ganlab.cli.early import SweepCommand
from ganlab.cli.labs import lab_of, telling
from ganlab.cli.printing import print_board
from ganlab.cli.stderr import echo, title, warn
from ganlab.columns import columns
from ganlab.errors import Interrupted
from ganlab.events import phase

if TYPE_CHECKING:
    from ganlab.lab.sweeps import PlannedRun, Sweep
    from ganlab.run_directory import RunDirectory

ENGINES = ("here", "ray")


@click.command("sweep", cls=SweepCommand)
@click.argument("file", type=click.Path(path_type=Path))
@options.overrides
@click.option("-n", "--dry-run", is_flag=True, help="Print what would be trained, and stop.")
@options.device
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
@options.json_lines
@options.data_root
@options.runs_dir
@options.plugins_dir
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
    json_lines: bool,
    data_root: Path | None,
    runs_dir: Path,
) -> None:
    """Train every experiment of a grid, and print their leaderboard.

    \b
    ganlab sweep sweep_quick
    ganlab sweep sweep_conditioning_digits --dry-run

    FILE is the path or the name of an experiment with a section `sweep`, which lists values for any
    keys. Finished runs are skipped and interrupted ones go on, so the same command again does what
    is left. One that fails is reported, and the others are trained.
    """
    if no_board and html is not None:
        raise click.UsageError("--html is the board as a page: leave out --no-board")
    lab = lab_of(ctx, runs_dir=runs_dir, data_root=data_root, device=device)
    with telling(json_lines=json_lines) as tell:
        if not json_lines:
            tell = display.for_sweep(tell, echo=echo, title=title, warn=warn)
        with phase(tell, "loading"):
            from ganlab.lab.sweeps import Sweep

        sweep = Sweep(
            lab,
            file,
            overrides,
            jobs=jobs,
            on=on,
            ray_address=ray_address,
            scored=not no_board,
            tell=tell,
        )
        planned = sweep.plan()
        if not dry_run:
            runs = _train(sweep, planned)
            board = sweep.board(runs) if runs and not no_board else None
    if dry_run:
        click.echo(_table(planned))
    elif board is not None:
        print_board(board, html=html)
    if sweep.failed:
        ctx.exit(1)


def _train(sweep: Sweep, planned: Sequence[PlannedRun]) -> list[RunDirectory]:
    """Train what is not finished; say what failed, and how to go on after a signal."""
    try:
        runs = sweep.train(planned)
    except Interrupted as stopped:
        again = f"saved; {stopped}; repeat the command to go on"
        raise Interrupted(stopped.signal, again) from stopped
    if sweep.failed:
        warn("\n  ".join([f"{len(sweep.failed)} of {len(planned)} failed", *sweep.failed]))
    return runs


def _table(planned: Sequence[PlannedRun]) -> str:
    """Return what would be trained: settings, folder, and how far it is."""
    from ganlab.config.sweeps import format_value

    rows = [("", *planned[0].point.settings, "run", "status")]
    for number, one in enumerate(planned, start=1):
        settings = map(format_value, one.point.settings.values())
        rows.append((str(number), *settings, str(one.folder), one.status))
    return columns(rows)
