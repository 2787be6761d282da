"""``ganlab eval``: score runs and rank them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ganlab.cli.app import app_of, data_root_option, plugins_dir_option, runs_dir_option, warn
from ganlab.cli.early import check_component

if TYPE_CHECKING:
    from ganlab.evaluation.board import Entry, Table
    from ganlab.evaluation.request import ScoreRequest
    from ganlab.evaluation.scorer import Comparison
    from ganlab.runs import Run
    from ganlab.sampling import Epoch
    from ganlab.sweeping.resources import Slot
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
    from ganlab.evaluation.request import ScoreRequest

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
    request = ScoreRequest(
        metrics, profile, samples, seeds, extractor, weights, bn, raw, truncation
    )
    scorer = Scorer(ctx, request, device=device, root=data_root, jobs=jobs)
    found = find_runs(runs, runs_dir, needed=images is None)
    if every:
        _print_curves(scorer, found, strict=bool(runs))
        return
    which: Epoch = "best" if best else epoch
    entries = []
    if images is not None:
        added = _add_images(scorer, found, images, labels, reference, runs_dir)
        entries = scorer.entries([added], which)
        found = [run for run in found if run.path != added.path]
    entries += scorer.entries(found, which, strict=bool(runs) or (len(found) == 1 and not entries))
    print_board(entries, form, html)


class Scorer:
    """Answers from the record where it can, and loads torch only where it cannot."""

    def __init__(
        self,
        ctx: click.Context,
        request: ScoreRequest,
        *,
        device: str,
        root: Path | None,
        jobs: int | None = 1,
    ) -> None:
        from ganlab.evaluation.request import RequestCache

        self.ctx = ctx
        self.app = app_of(ctx)
        self.request = request
        self.device = device
        self.root = root
        self.jobs = jobs
        self.request_cache = RequestCache(request, [*self.app.folders, Path("plugins")])
        self._comparison: Comparison | None = None
        self._announced: set[tuple[Path, Epoch]] = set()

    @property
    def comparison(self) -> Comparison:
        if self._comparison is None:
            from ganlab.evaluation.scorer import Comparison

            self._comparison = Comparison(
                self.request,
                self.app.plugins(),
                device=self.device,
                root=self.root,
                say=lambda text: click.echo(f"  {text}", err=True),
            )
        return self._comparison

    def entries(
        self, runs: Sequence[Run], epoch: Epoch = None, *, strict: bool = True
    ) -> list[Entry]:
        """Return the scores of runs, computing those that are not recorded.

        ``strict``: what one of them raises is raised; else it is left out with a warning.
        """
        known = self._known(runs, epoch)
        unknown = [run for run in runs if known[run.path] is None]
        if self.score_at_once([(run, epoch) for run in unknown]):
            known |= self._known(unknown, epoch)
            unknown = [run for run in unknown if known[run.path] is None]
        if unknown:
            from ganlab.evaluation.scorer import compare

            fresh = compare(
                unknown,
                self.comparison,
                epoch=epoch,
                request_cache=self.request_cache,
                strict=strict,
                starting=lambda run: self._announce(run, epoch),
            )
            known |= {entry.folder: entry for entry in fresh}
        return [entry for run in runs if (entry := known[run.path]) is not None]

    def _known(self, runs: Sequence[Run], epoch: Epoch) -> dict[Path, Entry | None]:
        from ganlab.evaluation.request import known_entry

        return {
            run.path: known_entry(run, self.request_cache.eval_spec(run.info["dataset"]), epoch)
            for run in runs
        }

    def score_at_once(self, wanted: Sequence[tuple[Run, Epoch]]) -> bool:
        """Let several processes record what is missing, if so many are meant; return if they do."""
        if not self.places(len(wanted)):
            return False
        from ganlab.cli.scoring import score_at_once

        self._announced |= score_at_once(wanted, self)
        return True

    def places(self, runs: int) -> list[Slot]:
        """Return places for processes that score so many runs; none if this one does it alone."""
        from ganlab.cli.engines import places_for

        return places_for(runs, self.jobs, use_gpus=self.device in ("auto", "cuda"))

    def _announce(self, run: Run, epoch: Epoch) -> None:
        if (run.path, epoch) not in self._announced:
            click.echo(run.name, err=True)


def find_runs(names: Sequence[str], runs_dir: Path, *, needed: bool = True) -> list[Run]:
    """Return the runs that were named, or every finished one."""
    from ganlab.errors import RunNotFound
    from ganlab.runs import find_run, list_runs

    if names:
        found = [find_run(name, runs_dir) for name in names]
        for run in found:
            if run.status != "finished":
                steps = f"{run.progress.steps:,}"
                warn(f"{run.name} is {run.status} at step {steps}: what it has saved is scored")
        return found
    found = [run for run in list_runs(runs_dir) if run.info.get("status") == "finished"]
    if not found and needed:
        raise RunNotFound(f"there is no finished run below {runs_dir}: train one with ganlab run")
    return found


def print_board(
    entries: Sequence[Entry], form: str | None = None, html: Path | None = None
) -> None:
    """Print the tables of these entries, and write the page if one is wanted."""
    from ganlab.errors import RunError
    from ganlab.evaluation.board import tables

    if not entries:
        raise RunError("no run could be scored")
    board = tables(entries)
    click.echo(_formatted(board, form))
    if html is not None:
        from ganlab.evaluation.pages import to_html
        from ganlab.files import write_atomically
        from ganlab.runs import writing

        with writing(html):
            write_atomically(html, to_html(board).encode())
        click.echo(f"page     {html}", err=True)


def _formatted(board: Sequence[Table], form: str | None) -> str:
    if form == "json":
        return json.dumps([table.as_data() for table in board], indent=2)
    if form is None:
        from ganlab.cli.board import text_of

        return "\n\n".join(map(text_of, board))
    from ganlab.evaluation import pages

    return pages.to_csv(board) if form == "csv" else pages.to_markdown(board)


def _add_images(
    scorer: Scorer,
    runs: Sequence[Run],
    folder: Path,
    labels: Path | None,
    reference: str | None,
    runs_dir: Path,
) -> Run:
    """Give images of another system a folder below the runs."""
    from ganlab.evaluation.external import add_images, reference_of

    dataset = reference_of(reference, runs, folder, scorer.app.plugins(), runs_dir)
    return add_images(folder, labels=labels, dataset=dataset, runs=runs_dir, root=scorer.root)


def _print_curves(scorer: Scorer, runs: Sequence[Run], *, strict: bool) -> None:
    """Print the curves of runs; ``strict``: each of them must have one."""
    from ganlab.errors import GanlabError
    from ganlab.training.checkpoint import kept_epochs

    scorer.score_at_once([(run, epoch) for run in runs for epoch in kept_epochs(run)])
    for run in runs:
        try:
            _print_curve(scorer, run)
        except GanlabError as error:
            if strict or len(runs) == 1:
                raise
            warn(f"{run.name} is left out: {error}")


def _print_curve(scorer: Scorer, run: Run) -> None:
    """Score every epoch that a run keeps, print them, and draw the curve."""
    from ganlab.cli.tables import columns
    from ganlab.errors import RunError
    from ganlab.evaluation.board import Row
    from ganlab.pictures import draw_scores
    from ganlab.runs import writing
    from ganlab.training.checkpoint import kept_epochs

    epochs = kept_epochs(run)
    if not epochs:
        raise RunError(f"{run.name} keeps no weights of an epoch")
    entries = [entry for epoch in epochs for entry in scorer.entries([run], epoch)]
    curves = {
        wanted.name: [
            (entry.checkpoint["epochs"], Row([entry]).values(wanted.name)[0]) for entry in entries
        ]
        for wanted in entries[0].eval_spec.metrics
    }
    scores = zip(*curves.values(), strict=True)  # of each epoch, (epochs, score) by metric
    rows = [
        (str(epoch), *(f"{score:.4g}" for _, score in of_one))
        for epoch, of_one in zip(epochs, scores, strict=True)
    ]
    click.echo(f"{run.name}\n{columns([('epoch', *curves), *rows])}")
    path = run.path / "scores.png"
    with writing(path):
        draw_scores(curves, path, title=run.name)
    click.echo(f"curve    {path}", err=True)
