"""``ganlab eval``: score runs and rank them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ganlab.cli.app import app_of, data_root_option, plugins_dir_option, runs_dir_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ganlab.evaluation.board import Table
    from ganlab.measures import Extractor, Metric
    from ganlab.plugins import Plugins
    from ganlab.runs import Run

PROFILES = ("quick", "standard", "full")


@click.command("eval")
@click.argument("runs", nargs=-1)
@click.option(
    "-m",
    "--metric",
    "names",
    multiple=True,
    metavar="METRIC",
    help="What to score by; the first one ranks. Repeatable.",
)
@click.option("--profile", type=click.Choice(PROFILES), default="standard", show_default=True)
@click.option("--samples", type=click.IntRange(min=2), help="Generated images, not the profile's.")
@click.option("--seeds", type=click.IntRange(min=1), help="Sampling seeds, not the profile's.")
@click.option("--epoch", type=click.IntRange(min=0), help="Finished epochs; default: the newest.")
@click.option("--bn", type=click.Choice(["running", "batch"]), default="running")
@click.option("--extractor", "extractor_name", metavar="NAME", help="What features come from.")
@data_root_option
@click.option("--device", metavar="DEVICE", default="auto", help="auto, cpu, cuda, cuda:<number>.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
@runs_dir_option
@plugins_dir_option
@click.pass_context
def command(
    ctx: click.Context,
    runs: tuple[str, ...],
    names: tuple[str, ...],
    profile: str,
    samples: int | None,
    seeds: int | None,
    epoch: int | None,
    bn: str,
    extractor_name: str | None,
    data_root: Path | None,
    device: str,
    as_json: bool,
    runs_dir: Path,
) -> None:
    """Score runs (by default every finished one) and print the leaderboard.

    \b
    ganlab eval --metric fid
    ganlab eval cgan_digits --metric fid --metric cond-acc --profile quick

    Scores are recorded in the runs: asking again computes only what is not there yet.
    """
    from dataclasses import replace

    from ganlab.evaluation.board import tables
    from ganlab.evaluation.protocol import PROFILES as KNOWN
    from ganlab.evaluation.score import Ruler, ruler_for, score_run
    from ganlab.measures import Extractor, Metric
    from ganlab.sampling import load

    plugins = app_of(ctx).plugins()
    metrics = [plugins.get(Metric, name)() for name in names or _defaults(plugins, Metric)]
    extractor_name = extractor_name or _defaults(plugins, Extractor)[0]
    extractor = plugins.get(Extractor, extractor_name)()
    chosen = KNOWN[profile]
    chosen = replace(chosen, samples=samples or chosen.samples, seeds=seeds or chosen.seeds)
    found = _find_runs(runs, runs_dir)
    rulers: dict[str, Ruler] = {}
    for run in found:
        trained = load(run.path, device=device, plugins=plugins)
        sha = run.info["dataset"]["sha256"]
        if sha not in rulers:
            rulers[sha] = ruler_for(trained, extractor, root=data_root)
        click.echo(f"{run.name}", err=True)
        score_run(
            trained,
            metrics,
            rulers[sha],
            chosen,
            epoch=epoch,
            bn=bn,  # type: ignore[arg-type]
            say=lambda text: click.echo(f"  {text}", err=True),
        )
    first = metrics[0]
    columns = [metric.name for metric in metrics]
    board = tables(found, columns, ascending=first.higher_is_better is False)
    click.echo(_json(board) if as_json else "\n\n".join(_table(t, metrics) for t in board))


def _defaults(plugins: Plugins, base: type[Metric] | type[Extractor]) -> list[str]:
    """Return the names of the components that are used where none is named, in their order."""
    found = [owner.component for owner in plugins.registered(base.kind)]
    placed = [(c.default, c.name) for c in found if c.default is not None]  # type: ignore[attr-defined]
    return [name for _, name in sorted(placed)]


def _find_runs(names: Sequence[str], runs_dir: Path) -> list[Run]:
    from ganlab.errors import RunError
    from ganlab.runs import find_run, list_runs

    if names:
        return [find_run(name, runs_dir) for name in names]
    found = [run for run in list_runs(runs_dir) if run.status == "finished"]
    if not found:
        raise RunError(f"there is no finished run below {runs_dir}: train one with ganlab run")
    return found


def _table(table: Table, metrics: Sequence[Metric]) -> str:
    from ganlab.cli.tables import columns

    arrows = {True: " ↑", False: " ↓", None: ""}
    head = ("", "experiment", *(m.name + arrows[m.higher_is_better] for m in metrics), "seeds")
    rows = [
        (
            str(rank),
            f"{row.experiment}/{row.identity[:6]}",
            *(_cell(row, metric.name) for metric in metrics),
            str(len(row.seeds)),
        )
        for rank, row in enumerate(table.rows, start=1)
    ]
    p = table.protocol
    title = (
        f"{p['extractor']}  N={p['samples']:,} against {p['dataset']} {p['split']} "
        f"({p['reference_images']:,} of {p['image_size']} x {p['image_size']})  "
        f"protocol {table.protocol_id}"
    )
    return f"{title}\n{columns([head, *rows])}"


def _cell(row: Any, name: str) -> str:
    if name not in row.values:
        return "-"
    sd = row.sd(name)
    return f"{row.mean(name):.4g}" + (f" ± {sd:.2g}" if sd is not None else "")


def _json(board: Sequence[Table]) -> str:
    from dataclasses import asdict

    return json.dumps([asdict(table) for table in board], indent=2)
