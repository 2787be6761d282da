"""Scoring a small run of tiny components, by the command line and by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ganlab as package
from ganlab.evaluation.evaluator import Evaluator, make_evaluator
from ganlab.evaluation.protocol import Profile
from ganlab.evaluation.score import score_run
from ganlab.metrics import Extractor, Metric
from ganlab.plugins import Plugins
from ganlab.sampling import Trained
from tests.training.helpers import TINY

EVAL = ("eval", "--extractor", "tiny", "-m", "tiny", "-m", "tiny-acc")
SMALL = Profile(samples=20, seeds=2, level="quick")


def lines(run: Path) -> list[dict[str, Any]]:
    """Return what is recorded of a run's scores."""
    return [json.loads(line) for line in (run / "scores.jsonl").read_text().splitlines()]


def opened(run: Path) -> tuple[Trained, Plugins]:
    plugins = Plugins()
    plugins.load_folder(TINY)
    return package.load(run, plugins=plugins), plugins


def ruler_of(trained: Trained, plugins: Plugins) -> Evaluator:
    extractor = plugins.get(Extractor, "tiny")()
    return make_evaluator(
        trained.experiment.dataset, trained.run.info["dataset"], plugins, extractor=extractor
    )


def scored(
    run: Path,
    metrics: Sequence[str | Metric] = ("tiny", "tiny-acc"),
    *,
    profile: Profile = SMALL,
    opening: tuple[Trained, Plugins] | None = None,
    **changes: Any,
) -> dict[str, Any]:
    """Return a run's answer; ``changes`` of the eval_spec: ``bn``, ``raw``."""
    trained, plugins = opening or opened(run)
    evaluator = ruler_of(trained, plugins)
    made = [m if isinstance(m, Metric) else plugins.get(Metric, m)() for m in metrics]
    return score_run(trained, made, evaluator, evaluator.eval_spec(made, profile, **changes))
