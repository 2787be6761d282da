"""Baselines: the scores of real images, beyond which scores cannot show an improvement."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ganlab.evaluation.evaluator import Evaluator
from ganlab.evaluation.features import classify, compute, halves, subset
from ganlab.evaluation.protocol import EvaluationSpec
from ganlab.events import Detail, Tell, ignore, phase
from ganlab.files import cache_dir, write_json
from ganlab.metrics import Metric, MetricInput

log = logging.getLogger("ganlab")
RealBaselines = dict[str, dict[str, dict[str, float]]]
"""For each metric and ``train`` or ``held out``: values, ``images`` and ``reference_images``."""


def real_baselines_of(
    evaluator: Evaluator,
    metrics: Sequence[Metric],
    eval_spec: EvaluationSpec,
    *,
    tell: Tell = ignore,
) -> RealBaselines:
    """Return the scores of real images for these metrics, from the cache if possible.

    ``train`` compares a part of the train split with the rest of it. ``held out`` compares the test
    split with the train split. A metric that cannot be computed for real images has no baseline.
    """
    test = evaluator.test.sha256 if evaluator.test is not None else None
    definitions = {
        wanted.name: wanted.definition | {"held_out": test} for wanted in eval_spec.metrics
    }
    entry = cache_dir() / "real_baselines" / f"{eval_spec.protocol.id}.json"
    kept = _read(entry)
    missing = [m for m in metrics if kept.get(m.name, {}).get("definition") != definitions[m.name]]
    if missing:
        tell(Detail("what real images score"))
        with phase(tell, "scoring real images"):
            fresh = _measure(evaluator, missing, samples=eval_spec.protocol.samples)
        for name, real_baselines in fresh.items():
            kept[name] = {"definition": definitions[name], "real_baselines": real_baselines}
        _write(entry, kept)
    return {metric.name: kept[metric.name]["real_baselines"] for metric in metrics}


def _measure(evaluator: Evaluator, metrics: Sequence[Metric], *, samples: int) -> RealBaselines:
    some, rest = halves(evaluator.reference, samples=samples)
    assert some.images is not None
    some = replace(some, predicted=classify(evaluator.classifier, some.images))
    found: RealBaselines = {metric.name: {} for metric in metrics}
    for metric in metrics:
        held_out = evaluator.held_out
        against = replace(rest, held_out=held_out if "held out" in metric.needs else None)
        _add(found[metric.name], "train", metric, some, against)
        if held_out is not None and "held out" not in metric.needs:
            _add(
                found[metric.name],
                "held out",
                metric,
                subset(held_out, samples),
                evaluator.reference,
            )
    return found


def _add(
    real_baselines: dict[str, dict[str, float]],
    name: str,
    metric: Metric,
    fake: MetricInput,
    real: MetricInput,
) -> None:
    if min(len(fake.labels), len(real.labels)) < metric.min_images:
        return
    try:
        values = compute(metric, fake, real)
    except ValueError as error:
        log.warning("%s of real images (%s): %s", metric.name, name, error)
        return
    counts = {"images": len(fake.labels), "reference_images": len(real.labels)}
    real_baselines[name] = values | counts


def _read(entry: Path) -> dict[str, Any]:
    try:
        kept = json.loads(entry.read_text())
        return {n: f for n, f in kept.items() if isinstance(f["real_baselines"], dict)}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        log.warning("the cached real_baselines %s are damaged (%s): measured again", entry, error)
        return {}


def _write(entry: Path, kept: Mapping[str, object]) -> None:
    try:
        entry.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_json(entry, kept)
    except OSError as error:
        log.warning("real_baselines are not cached in %s: %s", entry.parent, error)
