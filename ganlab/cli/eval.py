"""``ganlab eval``: score runs and rank them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ganlab.cli.app import data_root_option, plugins_dir_option, runs_dir_option
from ganlab.cli.labs import lab_of, telling
from ganlab.columns import columns
from ganlab.files import write_atomically
from ganlab.lab.lab import score_request
from ganlab.lab.scoring import Scoring
from ganlab.results import Board
from ganlab.run_directory import writing

if TYPE_CHECKING:
    from ganlab.run_directory import RunDirectory
    from ganlab.sampling import Epoch
    from ganlab.training.generate import Bn

PROFILES = ("quick", "standard", "full", "published")


@click.command("eval")
@click.argument("runs", nargs=-1)
@click.option(
    "-m",
    "--metric",
    "metrics",
    multiple=True,
    metavar="METRIC",
    help="What to score by; the first one ranks. Repeatable. Default: the profile's.",
)
@click.option("--profile", type=click.Choice(PROFILES), default="standard", show_default=True)
@click.option("--samples", type=click.IntRange(min=2), help="Generated images, not the profile's.")
@click.option("--seeds", type=click.IntRange(min=1), help="Sampling seeds, not the profile's.")
@click.option("--epoch", type=click.IntRange(min=0), help="Finished epochs; default: the newest.")
@click.option("--best", is_flag=True, help="The best weights that eval.every found, not the last.")
@click.option("--every", is_flag=True, help="Score every epoch that a run keeps: its curve.")
@click.option("--raw", is_flag=True, help="G's own weights, though there are averaged ones.")
@click.option("--bn", type=click.Choice(["running", "batch", "standing"]), default="running")
@click.option(
    "--truncation",
    type=click.FloatRange(min=0, min_open=True),
    help="Noise between -T and T alone, or the share T of the way from the average style.",
)
@click.option("--extractor", metavar="NAME", help="What features come from.")
@click.option("--weights", metavar="FILE", help="The extractor's weights.")
@click.option(
    "--images",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Score images of another system too, in a folder for each class.",
)
@click.option(
    "--labels",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A CSV of file and class for --images, instead of class folders.",
)
@click.option(
    "--reference",
    metavar="WHAT",
    help="What --images are measured against: a run, an experiment file, or a dataset's name.",
)
@data_root_option
@click.option("--device", metavar="DEVICE", default="auto", help="auto, cpu, cuda, cuda:<number>.")
@click.option(
    "-j",
    "--jobs",
    type=click.IntRange(min=1),
    metavar="N",
    help="Runs scored at the same time; default: one for each GPU, else one.",
)
@click.option("--json", "form", flag_value="json", help="Print JSON.")
@click.option("--csv", "form", flag_value="csv", help="Print CSV.")
@click.option("--markdown", "form", flag_value="markdown", help="Print Markdown.")
@click.option(
    "--html",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write a page with pictures and curves too.",
)
@runs_dir_option
@plugins_dir_option
@click.pass_context
def command(
    ctx: click.Context,
    runs: tuple[str, ...],
    metrics: tuple[str, ...],
    profile: str,
    samples: int | None,
    seeds: int | None,
    epoch: int | None,
    best: bool,
    every: bool,
    raw: bool,
    bn: Bn,
    truncation: float | None,
    extractor: str | None,
    weights: str | None,
    images: Path | None,
    labels: Path | None,
    reference: str | None,
    data_root: Path | None,
    device: str,
    jobs: int | None,
    form: str | None,
    html: Path | None,
    runs_dir: Path,
) -> None:
    """Score runs (by default every finished one) and print the leaderboard.

    \b
    ganlab eval --metric fid
    ganlab eval cgan_digits --metric fid --metric cond-acc --profile quick
    ganlab eval cgan_mnist --every --profile quick
    ganlab eval --images their_samples/ --reference cgan_mnist

    Scores are recorded in the runs: asking again computes only what is not there yet.
    """
    if (epoch is not None) + best + every > 1:
        raise click.UsageError("--epoch, --best and --every name different weights: give one")
    if images is None and (labels or reference):
        raise click.UsageError("--labels and --reference belong to --images")
    if weights and extractor is None:
        raise click.UsageError("--weights belongs to --extractor")
    if every and (images or form or html):
        raise click.UsageError(
            "--every prints curves: --images, --json, --csv, --markdown and --html are of boards"
        )
    lab = lab_of(ctx, runs_dir=runs_dir, data_root=data_root, device=device)
    request = score_request(
        metrics, profile, samples, seeds, extractor, weights, bn, raw, truncation
    )
    found = lab.find_runs(runs, needed=images is None)
    which: Epoch = "best" if best else epoch
    with telling() as tell:
        scoring = Scoring(lab, request, jobs=jobs, tell=tell)
        if every:
            _print_curves(scoring, found, strict=bool(runs))
            return
        entries = []
        if images is not None:
            added = lab.add_images(images, labels=labels, reference=reference, runs=found)
            entries = scoring.entries([added], which)
            found = [run for run in found if run.path != added.path]
        strict = bool(runs) or (len(found) == 1 and not entries)
        board = Board.of([*entries, *scoring.entries(found, which, strict=strict)])
    print_board(board, form, html)


def print_board(board: Board, form: str | None = None, html: Path | None = None) -> None:
    """Print the tables of a board, and write the page if one is wanted."""
    forms = {"json": board.to_json, "csv": board.to_csv, "markdown": board.to_markdown}
    click.echo(forms[form]() if form else str(board))
    if html is not None:
        with writing(html):
            write_atomically(html, board.to_html().encode())
        click.echo(f"page     {html}", err=True)


def _print_curves(scoring: Scoring, runs: Sequence[RunDirectory], *, strict: bool) -> None:
    """Print the curves of runs; with ``strict`` each of them must have one."""
    from ganlab.lab.curves import curves

    for curve in curves(scoring, runs, strict=strict):
        scores = zip(*curve.scores.values(), strict=True)  # of each epoch, by metric
        rows = [
            (str(epoch), *(f"{score:.4g}" for _, score in of_one))
            for epoch, of_one in zip(curve.epochs, scores, strict=True)
        ]
        click.echo(f"{curve.run.name}\n{columns([('epoch', *curve.scores), *rows])}")
        click.echo(f"curve    {curve.picture}", err=True)
