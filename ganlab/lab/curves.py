"""The curve of a run: the scores of every epoch that it keeps."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ganlab.errors import GanlabError, RunError
from ganlab.evaluation.board import Row
from ganlab.lab.scoring import Scoring
from ganlab.pictures import draw_scores
from ganlab.run_directory import RunDirectory, writing
from ganlab.training.checkpoint import kept_epochs

log = logging.getLogger("ganlab")


@dataclass(frozen=True)
class Curve:
    """The scores of a run by finished epochs."""

    run: RunDirectory
    epochs: list[int]
    scores: dict[str, list[tuple[float, float]]]
    """(passes over the data, score) of each epoch, by metric."""

    picture: Path


def curves(scoring: Scoring, runs: Sequence[RunDirectory], *, strict: bool) -> Iterator[Curve]:
    """Yield the curve of each run, and draw it into the run.

    With ``strict``, or for a single run, the first error is raised; else a run without a curve is
    left out with a warning.
    """
    scoring.score_in_parallel([(run, epoch) for run in runs for epoch in kept_epochs(run)])
    for run in runs:
        try:
            yield _curve(scoring, run)
        except GanlabError as error:
            if strict or len(runs) == 1:
                raise
            log.warning("%s is left out: %s", run.name, error)


def _curve(scoring: Scoring, run: RunDirectory) -> Curve:
    epochs = kept_epochs(run)
    if not epochs:
        raise RunError(f"{run.name} keeps no weights of an epoch")
    entries = [entry for epoch in epochs for entry in scoring.entries([run], epoch)]
    scores = {
        wanted.name: [
            (entry.checkpoint["epochs"], Row([entry]).values(wanted.name)[0]) for entry in entries
        ]
        for wanted in entries[0].eval_spec.metrics
    }
    path = run.path / "scores.png"
    with writing(path):
        draw_scores(scores, path, title=run.name)
    return Curve(run, epochs, scores, path)
