"""What real images score: no generator can be told to be better than that."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ganlab.evaluation.features import Say, compute, halves, judged, quiet, subset
from ganlab.evaluation.protocol import Question
from ganlab.evaluation.ruler import Ruler
from ganlab.files import cache_dir, write_json
from ganlab.measures import Evidence, Metric

log = logging.getLogger("ganlab")
Floors = dict[str, dict[str, dict[str, float]]]
"""By metric, then ``train`` or ``held out``: the values, ``images`` and ``reference_images``."""


def floors_of(
    ruler: Ruler, metrics: Sequence[Metric], question: Question, *, say: Say = quiet
) -> Floors:
    """Return what real images score by these metrics, from the cache if it is there.

    ``train`` is a part of the train split measured against the rest of it, ``held out`` the test
    split against all of the train split. A metric that cannot be computed so has no such floor.
    """
    test = ruler.test.sha256 if ruler.test is not None else None
    definitions = {
        wanted.name: wanted.definition | {"held_out": test} for wanted in question.metrics
    }
    entry = cache_dir() / "floors" / f"{question.protocol.id}.json"
    kept = _read(entry)
    missing = [m for m in metrics if kept.get(m.name, {}).get("definition") != definitions[m.name]]
    if missing:
        say("what real images score")
        fresh = _measure(ruler, missing, samples=question.protocol.samples)
        for name, floors in fresh.items():
            kept[name] = {"definition": definitions[name], "floors": floors}
        _write(entry, kept)
    return {metric.name: kept[metric.name]["floors"] for metric in metrics}


def _measure(ruler: Ruler, metrics: Sequence[Metric], *, samples: int) -> Floors:
    some, rest = halves(ruler.reference, samples=samples)
    assert some.images is not None
    some = replace(some, predicted=judged(ruler.judge, some.images))
    found: Floors = {metric.name: {} for metric in metrics}
    for metric in metrics:
        held_out = ruler.held_out
        against = replace(rest, held_out=held_out if "held out" in metric.needs else None)
        _add(found[metric.name], "train", metric, some, against)
        if held_out is not None and "held out" not in metric.needs:
            _add(found[metric.name], "held out", metric, subset(held_out, samples), ruler.reference)
    return found


def _add(
    floors: dict[str, dict[str, float]], name: str, metric: Metric, fake: Evidence, real: Evidence
) -> None:
    if min(len(fake.labels), len(real.labels)) < metric.minimum:
        return
    try:
        values = compute(metric, fake, real)
    except ValueError as error:
        log.warning("%s of real images (%s): %s", metric.name, name, error)
        return
    counts = {"images": len(fake.labels), "reference_images": len(real.labels)}
    floors[name] = values | counts


def _read(entry: Path) -> dict[str, Any]:
    try:
        kept = json.loads(entry.read_text())
        return {n: f for n, f in kept.items() if isinstance(f["floors"], dict)}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        log.warning("the cached floors %s are damaged (%s): measured again", entry, error)
        return {}


def _write(entry: Path, kept: Mapping[str, object]) -> None:
    try:
        entry.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_json(entry, kept)
    except OSError as error:
        log.warning("floors are not cached in %s: %s", entry.parent, error)
