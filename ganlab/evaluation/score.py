"""Score a run: draw, extract once, compute every metric, append a line to the run's scores."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ganlab.components import Split
from ganlab.data.prepare import prepare
from ganlab.data.prepared import Prepared
from ganlab.errors import DataError, RunError
from ganlab.evaluation.features import evidence_of, reference_evidence, subset
from ganlab.evaluation.protocol import Profile, Protocol, definition, quota_labels
from ganlab.files import append_line, read_lines
from ganlab.measures import Evidence, Extractor, Metric
from ganlab.nn import ExtractorNet
from ganlab.runs import now, writing
from ganlab.sampling import Trained
from ganlab.training.draw import Bn, noise

SPLIT: Split = "train"
Score = dict[str, Any]
"""A line of scores.jsonl."""


@dataclass(frozen=True)
class Ruler:
    """What runs of one dataset are measured by."""

    data: Prepared
    extractor: ExtractorNet
    judge: ExtractorNet

    def protocol(self, profile: Profile) -> Protocol:
        return Protocol.of(
            self.data,
            split=SPLIT,
            samples=min(profile.samples, len(self.data.images)),
            extractor=self.extractor.id,
            judge=self.judge.id,
        )


def ruler_for(trained: Trained, extractor: Extractor, *, root: Path | None = None) -> Ruler:
    """Return the reference and the networks for a run's dataset, or raise what is missing."""
    data = prepare(trained.experiment.dataset, root=root, split=SPLIT)
    if data.sha256 != trained.run.info["dataset"]["sha256"]:
        raise RunError(
            f"{trained.run.name} was trained on other images than '{data.source}' has now: "
            f"{trained.run.info['dataset']['sha256'][:12]}, now {data.sha256[:12]}"
        )
    channels = data.spec.channels
    judge = extractor.judge(data.source, channels)
    if judge.class_names != data.spec.class_names:
        raise DataError(
            f"{judge.id} tells {', '.join(judge.class_names)}; the classes of {trained.run.name} "
            f"are {', '.join(data.spec.class_names)}: it cannot judge them"
        )
    return Ruler(data, extractor.load(data.source, channels), judge)


def score_run(
    trained: Trained,
    metrics: Sequence[Metric],
    ruler: Ruler,
    profile: Profile,
    *,
    epoch: int | None = None,
    bn: Bn = "running",
    say: Callable[[str], None] = lambda _: None,
) -> Score:
    """Return the run's scores, computing and recording those that are not recorded yet."""
    protocol = ruler.protocol(profile)
    seeds = list(range(profile.seeds))
    checkpoint = trained.identify(epoch)
    key = {"protocol_id": protocol.id, "checkpoint": checkpoint, "bn": bn, "seeds": seeds}
    known = recorded(trained.run.path, key)
    missing = [m for m in metrics if known.get(m.name, {}).get("definition") != definition(m)]
    if missing:
        _check_counts(missing, protocol)
        begin = time.perf_counter()
        fresh = _measure(trained, missing, ruler, protocol, seeds, epoch=epoch, bn=bn, say=say)
        line = key | {
            "protocol": asdict(protocol),
            "metrics": fresh,
            "seconds": round(time.perf_counter() - begin, 2),
            "time": now(),
        }
        with writing(trained.run.path / "scores.jsonl"):
            append_line(trained.run.path / "scores.jsonl", line)
        known |= fresh
    wanted = {metric.name: known[metric.name] for metric in metrics}
    return key | {"protocol": asdict(protocol), "metrics": wanted}


def recorded(run: Path, key: dict[str, Any]) -> dict[str, Any]:
    """Return what the run's scores say of one checkpoint and protocol, by metric."""
    found: dict[str, Any] = {}
    for line in read_lines(run / "scores.jsonl"):
        if all(line.get(name) == value for name, value in key.items()):
            found |= line["metrics"]
    return found


def _check_counts(metrics: Sequence[Metric], protocol: Protocol) -> None:
    for metric in metrics:
        if protocol.samples < metric.minimum:
            raise DataError(
                f"{metric.name} needs at least {metric.minimum:,} images, generated and real: "
                f"here are {protocol.samples:,}"
            )


def _compute(metric: Metric, fake: Evidence, real: Evidence, run: str) -> dict[str, float]:
    """Return a metric's values, or raise, naming it: a score that is no number is never kept."""
    try:
        values = metric.compute(subset(fake, metric.most), subset(real, metric.most))
    except ValueError as error:
        raise DataError(f"{metric.name} of {run}: {error}") from error
    for name, value in values.items():
        if not math.isfinite(value):
            raise DataError(f"{metric.name} of {run}: {name} is {value}: not recorded")
    return {name: float(value) for name, value in values.items()}


def _measure(
    trained: Trained,
    metrics: Sequence[Metric],
    ruler: Ruler,
    protocol: Protocol,
    seeds: list[int],
    *,
    epoch: int | None,
    bn: Bn,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Return ``{metric: {definition, values: {name: [a value for each seed]}}}``."""
    say(f"reference: {protocol.reference_images:,} images of {protocol.dataset}")
    real = reference_evidence(ruler.data, ruler.extractor)
    values: dict[str, dict[str, list[float]]] = {metric.name: {} for metric in metrics}
    judge = ruler.judge if any("judge" in metric.needs for metric in metrics) else None
    for seed in seeds:
        say(f"sampling seed {seed}: drawing {protocol.samples:,} images")
        labels = quota_labels(
            ruler.data.labels, trained.spec.num_classes, samples=protocol.samples, seed=seed
        )
        z = noise(protocol.samples, trained.experiment.train.z_dim, seed)
        images = trained.sample(labels, z=z, epoch=epoch, bn=bn)
        fake = evidence_of(images, labels, ruler.extractor, judge)
        for metric in metrics:
            for name, value in _compute(metric, fake, real, trained.run.name).items():
                values[metric.name].setdefault(name, []).append(value)
    return {
        metric.name: {"definition": definition(metric), "values": values[metric.name]}
        for metric in metrics
    }
