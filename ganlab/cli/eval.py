"""``ganlab eval``: score runs and rank them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ganlab.cli import options
from ganlab.cli.early import check_component
from ganlab.cli.labs import lab_of, telling
from ganlab.cli.printing import print_board, print_curves
from ganlab.lab.lab import score_request

if TYPE_CHECKING:
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
@options.epoch
@options.best
@click.option("--every", is_flag=True, help="Score every epoch that a run keeps: its curve.")
@click.option("--raw", is_flag=True, help="G's own weights, though there are averaged ones.")
@options.bn
@options.truncation
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
@options.data_root
@options.device
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
@options.runs_dir
@options.plugins_dir
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
    device: str | None,
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
    for metric in metrics:
        check_component(ctx, "metric", metric)
    if extractor is not None:
        check_component(ctx, "extractor", extractor)
    lab = lab_of(ctx, runs_dir=runs_dir, data_root=data_root, device=device)
    request = score_request(
        metrics, profile, samples, seeds, extractor, weights, bn, raw, truncation
    )
    found = lab.find_runs(runs, needed=images is None)
    which: Epoch = "best" if best else epoch
    from ganlab.lab.scoring import Scoring
    from ganlab.results import Board

    with telling() as tell:
        scoring = Scoring(lab, request, jobs=jobs, tell=tell)
        if every:
            print_curves(scoring, found, strict=bool(runs))
            return
        entries = []
        if images is not None:
            added = lab.add_images(images, labels=labels, reference=reference, runs=found)
            entries = scoring.entries([added], which)
            found = [run for run in found if run.path != added.path]
        strict = bool(runs) or (len(found) == 1 and not entries)
        board = Board.of([*entries, *scoring.entries(found, which, strict=strict)])
    print_board(board, form, html)
