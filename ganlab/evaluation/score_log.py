"""The scores of a run: lines that are appended and never changed."""

from __future__ import annotations

import json
import logging
import statistics
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from ganlab.evaluation.protocol import EvaluationSpec
from ganlab.files import append_line
from ganlab.runs import writing

FILE = "scores.jsonl"
log = logging.getLogger("ganlab")
Line = dict[str, Any]
"""One line of scores: the entries of `EvaluationSpec.key`, ``protocol``, ``checkpoint``,
``environment``, ``seconds``, ``time``, and ``metrics``: {name: {definition, higher_is_better,
values {name: [one per sampling seed]}, flags, real_baselines}}. ``real_baselines`` is null where
real images were not measured, in which case a flag may be missing."""


def read(folder: Path) -> list[Line]:
    """Return the scores in a run's folder; a damaged line is passed over, with a warning."""
    file = folder / FILE
    try:
        written = file.read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        _warn(f"{file} cannot be read: {error.strerror}")
        return []
    lines = []
    for number, text in enumerate(written, start=1):
        try:
            line = json.loads(text)
            _upgrade(line)
            _check(line)
            lines.append(line)
        except (ValueError, LookupError, TypeError, AttributeError):
            _warn(f"{file}: line {number} is damaged and passed over")
    return lines


RENAMED = {"most": "max_images", "judge": "classifier"}
"""Keys of a metric's definition in lines of older versions, and their present names."""


def _upgrade(line: Line) -> None:
    """Rename the keys of a line that an older version wrote."""
    for metric in line["metrics"].values():
        metric["definition"] = {RENAMED.get(k, k): v for k, v in metric["definition"].items()}
        if "floors" in metric:
            metric["real_baselines"] = metric.pop("floors")


def _check(line: Line) -> None:
    """Stumble, by whatever exception, over a line without what is read from it later."""
    float(line["checkpoint"]["epochs"])
    for metric in line["metrics"].values():
        dict(metric["definition"])
        for values in metric["values"].values():
            statistics.fmean(values)


@lru_cache(maxsize=1000)
def _warn(text: str) -> None:
    """Say it once, however often the file is read."""
    log.warning("%s", text)


def append(folder: Path, line: Line) -> None:
    """Add a line to the scores of a run."""
    with writing(folder / FILE):
        append_line(folder / FILE, line)


def answers(
    lines: Sequence[Line],
    eval_spec: EvaluationSpec,
    checkpoint: Mapping[str, Any],
    *,
    with_baselines: bool = False,
) -> dict[str, Any]:
    """Return what the lines say of the metrics that were asked for, by name; later lines count.

    ``with_baselines``: only what was measured beside real images.
    """
    key = eval_spec.key(checkpoint)
    found: dict[str, Any] = {}
    for line in lines:
        if all(line.get(name) == value for name, value in key.items()):
            for wanted in eval_spec.metrics:
                metric = line["metrics"].get(wanted.name)
                if metric is None or metric["definition"] != wanted.definition:
                    continue
                if with_baselines and metric.get("real_baselines") is None:
                    continue
                found[wanted.name] = metric | {"environment": line.get("environment", {})}
    return found


def history(lines: list[Line], protocol_id: str) -> dict[str, list[tuple[float, float]]]:
    """Return (epochs, score) of each metric by name, from the scores of a run."""
    found: dict[str, dict[float, float]] = {}
    for line in lines:
        if line.get("protocol_id") == protocol_id:
            for name, metric in line["metrics"].items():
                values = metric["values"].get(name, [])
                if values:
                    epochs = line["checkpoint"]["epochs"]
                    found.setdefault(name, {})[epochs] = statistics.fmean(values)
    return {name: sorted(points.items()) for name, points in found.items()}
