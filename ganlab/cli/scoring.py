"""``python -m ganlab.cli.scoring``: score one of several runs in a process of its own."""

from __future__ import annotations

import logging
import signal
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ganlab.cli.work import attend, enter, place_of
from ganlab.errors import GanlabError
from ganlab.evaluation.request import ScoreRequest
from ganlab.runs import RunDirectory, read_run
from ganlab.sweeping.capture import printing
from ganlab.sweeping.jobs import (
    Failed,
    Finished,
    Interrupted,
    Line,
    Outcome,
    Place,
    Send,
    Started,
)
from ganlab.sweeping.pool import Pool

if TYPE_CHECKING:
    from ganlab.cli.eval import Scorer
    from ganlab.sampling import Epoch


@dataclass(frozen=True)
class Scoring:
    """A run to score, complete enough for another process."""

    number: int
    """Its place among all, from 1."""

    run: str
    epoch: Epoch
    request: dict[str, Any]
    device: str
    place: Place

    def as_data(self) -> dict[str, Any]:
        return asdict(self)


def score_at_once(
    wanted: Sequence[tuple[RunDirectory, Epoch]], scorer: Scorer
) -> set[tuple[Path, Epoch]]:
    """Have runs scored, several at once, and their scores recorded; return those that are.

    A run that cannot be scored is left as it was: whoever asks again learns why.
    """
    ready = _prepared(wanted, scorer)
    places = scorer.places(len(ready))
    if not places:
        return set()
    place = place_of(scorer.app, scorer.root)
    tasks = [
        Scoring(number, str(run.path), epoch, asdict(scorer.request), scorer.device, place)
        for number, (run, epoch) in enumerate(ready, start=1)
    ]
    names = {number: _name(*one) for number, one in enumerate(ready, start=1)}
    scored = set()
    for event in Pool("ganlab.cli.scoring", places).run(tasks):
        match event:
            case Started():
                click.echo(names[event.number], err=True)
            case Line():
                click.echo(f"  {names[event.number]}: {event.text.strip()}", err=True)
            case Finished():
                run, epoch = ready[event.number - 1]
                scored.add((run.path, epoch))
            case Failed():
                click.echo(f"  {names[event.number]}: not scored, tried again alone", err=True)
            case Interrupted():
                name = signal.Signals(event.signal).name
                again = "what is scored is recorded; repeat the command to go on."
                click.echo(f"{name}: {again}", err=True)
                scorer.ctx.exit(128 + event.signal)
    return scored


def _prepared(
    wanted: Sequence[tuple[RunDirectory, Epoch]], scorer: Scorer
) -> list[tuple[RunDirectory, Epoch]]:
    """Return what is left to score. Real images are measured here, not by every process."""
    ready = []
    for run, epoch in wanted:
        try:
            if scorer.comparison.prepare(run, epoch):
                ready.append((run, epoch))
        except GanlabError:
            continue  # it will be raised again when the run itself is scored
    scorer.request_cache.keep(scorer.comparison.eval_specs())
    return ready


def _name(run: RunDirectory, epoch: Epoch) -> str:
    return f"{run.name} epoch {epoch}" if isinstance(epoch, int) else run.name


def answer(scoring: Scoring, send: Send) -> Outcome:
    """Score a run in a process that does nothing else; what is printed is sent."""
    with printing(lambda text: send(Line(scoring.number, text))):
        try:
            enter(scoring.place)
            from ganlab.evaluation.scorer import Comparison  # after the number of threads is set
            from ganlab.plugins import load_plugins

            root = scoring.place.data_root
            logging.disable(logging.WARNING)  # whoever asks has loaded the same, and has warned
            comparison = Comparison(
                ScoreRequest(**scoring.request),
                load_plugins([Path(folder) for folder in scoring.place.plugin_folders]),
                device=scoring.device,
                root=Path(root) if root else None,
                say=lambda text: click.echo(f"  {text}", err=True),
            )
            run = read_run(Path(scoring.run))
            comparison.prepare(run, scoring.epoch)
            logging.disable(logging.NOTSET)
            comparison.entry(run, scoring.epoch)
        except (GanlabError, OSError) as error:
            return Failed(scoring.number, str(error))
    return Finished(scoring.number)


def scoring_of(data: dict[str, Any]) -> Scoring:
    """Return a task that came as JSON."""
    request = {**data["request"], "metrics": tuple(data["request"]["metrics"])}
    return Scoring(**{**data, "request": request, "place": Place(**data["place"])})


if __name__ == "__main__":
    attend(lambda data, send: answer(scoring_of(data), send))
