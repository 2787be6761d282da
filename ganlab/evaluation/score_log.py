"""The recorded scores of a run. Lines of the file are appended and never changed."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ganlab.evaluation.protocol import EvaluationSpec
from ganlab.files import append_line
from ganlab.records import ScoreRecord, read_records
from ganlab.run_directory import writing

FILE = "scores.jsonl"
Line = dict[str, Any]
"""One line of scores: see `ganlab.records.ScoreRecord`."""


def read(folder: Path) -> list[Line]:
    """Return the scores in a run's folder; a damaged line is skipped with a warning."""
    lines = read_records(folder / FILE, ScoreRecord)
    for line in lines:
        _upgrade(line)
    return lines


RENAMED = {"most": "max_images", "judge": "classifier"}
"""Keys of a metric's definition in lines of older versions, and their present names."""


def _upgrade(line: Line) -> None:
    """Rename the keys of a line that an older version wrote."""
    for metric in line["metrics"].values():
        metric["definition"] = {RENAMED.get(k, k): v for k, v in metric["definition"].items()}
        if "floors" in metric:
            metric["real_baselines"] = metric.pop("floors")


def append(folder: Path, line: Line) -> None:
    """Append a line to the scores of a run, or raise `RunError`."""
    with writing(folder / FILE):
        append_line(folder / FILE, line)


def answers(
    lines: Sequence[Line],
    eval_spec: EvaluationSpec,
    checkpoint: Mapping[str, Any],
    *,
    with_baselines: bool = False,
) -> dict[str, Any]:
    """Return the recorded results of the requested metrics, by name. Later lines take precedence.

    ``with_baselines``: ignore results that were recorded without scores of real images.
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
    """Return the (epochs, score) pairs of each metric under one protocol, by name."""
    found: dict[str, dict[float, float]] = {}
    for line in lines:
        if line.get("protocol_id") == protocol_id:
            for name, metric in line["metrics"].items():
                values = metric["values"].get(name, [])
                if values:
                    epochs = line["checkpoint"]["epochs"]
                    found.setdefault(name, {})[epochs] = statistics.fmean(values)
    return {name: sorted(points.items()) for name, points in found.items()}


def to_records(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """Return a flat record for each set of weights, protocol and set of metrics, by epochs.

    Keys: ``epochs``, ``steps``, ``weights`` (``ema`` or ``raw``), ``bn``, ``truncation``,
    ``protocol_id``, ``samples`` (generated images for each sampling seed), ``seeds`` (number of
    sampling seeds), ``flags``, and each value of each metric as its mean over the sampling seeds.
    Of equal measurements, the later one counts.
    """
    newest = {_measurement(line): line for line in lines}
    records = [_flat(line) for line in newest.values()]
    return sorted(records, key=lambda record: record["epochs"])


def _measurement(line: Line) -> str:
    """Return a key that is equal for two lines if and only if they repeat a measurement."""
    keys = ("protocol_id", "weights_sha256", "weights", "bn", "truncation", "seeds")
    definitions = {name: metric["definition"] for name, metric in line["metrics"].items()}
    about = [*(line.get(key) for key in keys), line["checkpoint"]["epochs"], definitions]
    return json.dumps(about, sort_keys=True)


def _flat(line: Line) -> dict[str, Any]:
    metrics = line["metrics"].values()
    return {
        "epochs": line["checkpoint"]["epochs"],
        "steps": line["checkpoint"].get("steps"),
        "weights": line.get("weights"),
        "bn": line.get("bn"),
        "truncation": line.get("truncation"),
        "protocol_id": line["protocol_id"],
        "samples": line.get("protocol", {}).get("samples"),
        "seeds": len(line.get("seeds", [])),
        "flags": sorted({flag for metric in metrics for flag in metric["flags"]}),
        **{
            name: statistics.fmean(values)
            for metric in metrics
            for name, values in metric["values"].items()
        },
    }
