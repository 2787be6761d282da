"""Score a run: draw, extract once, compute every metric, append a line to the run's scores."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from ganlab.errors import DataError, RunError
from ganlab.evaluation import record
from ganlab.evaluation.draws import drawer
from ganlab.evaluation.features import Say, compute, device_of, quiet
from ganlab.evaluation.floors import Floors, floors_of
from ganlab.evaluation.protocol import Question
from ganlab.evaluation.ruler import Ruler
from ganlab.measures import Evidence, Metric
from ganlab.pictures import save_picture
from ganlab.runs import now, writing
from ganlab.sampling import Epoch, Trained
from ganlab.seeds import seeded
from ganlab.training.checkpoint import read_stored


@dataclass(frozen=True)
class Subject:
    """Whose images are scored."""

    name: str
    folder: Path
    """Where its scores are recorded."""

    checkpoint: dict[str, Any]
    """What names the weights: ``sha256``, ``weights`` (ema or raw), ``steps``, ``epochs``."""

    look: Callable[[int], Evidence]
    """Returns what the metrics see of the images of a sampling seed."""


def score_run(
    trained: Trained,
    metrics: Sequence[Metric],
    ruler: Ruler,
    question: Question,
    *,
    epoch: Epoch = None,
    say: Say = quiet,
) -> dict[str, Any]:
    """Return the run's answer, computing and recording what is not recorded yet.

    It maps the name of a metric to its ``values``, ``flags``, ``floors`` and ``environment``.
    Raises `RunError` if the run does not keep such weights, or they are damaged, `DataError` for
    images that cannot be scored.
    """
    checkpoint, known = _recorded(trained, question, epoch)
    missing = [metric for metric in metrics if metric.name not in known]
    if missing:
        _check_learned_from(trained, ruler)
        # Drawing would pass over a damaged file, to weights that are not the ones named here.
        read_stored(trained.run.checkpoints / checkpoint["file"])
        draw = drawer(
            trained,
            ruler.data,
            checkpoint,
            samples=question.protocol.samples,
            epoch=epoch,
            raw=question.raw,
            bn=question.bn,
            truncation=question.truncation,
        )

        def look(seed: int) -> Evidence:
            return ruler.look(*draw(seed), missing, say=say)

        subject = Subject(trained.run.name, trained.run.path, checkpoint, look)
        known |= score(subject, missing, ruler, question, say=say)
    return known


def missing_of(
    trained: Trained, metrics: Sequence[Metric], question: Question, epoch: Epoch
) -> list[Metric]:
    """Return those metrics that `score_run` would compute."""
    _, known = _recorded(trained, question, epoch)
    return [metric for metric in metrics if metric.name not in known]


def _recorded(
    trained: Trained, question: Question, epoch: Epoch
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what names the weights of an epoch, and what is recorded of them."""
    checkpoint = trained.identify(epoch)
    if question.raw:
        checkpoint = checkpoint | {"weights": "raw"}
    lines = record.read(trained.run.path)
    return checkpoint, record.answers(lines, question, checkpoint, with_floors=True)


def score(
    subject: Subject,
    metrics: Sequence[Metric],
    ruler: Ruler,
    question: Question,
    *,
    with_floors: bool = True,
    say: Say = quiet,
) -> dict[str, Any]:
    """Compute metrics of a subject's images, append them to its scores, and return them.

    Every random state is left as it was found. Without floors a flag that needs one may stay
    unraised: whoever asks with floors has the metrics computed anew.
    """
    begin = time.perf_counter()
    with seeded(0, torch.device("cpu")):
        floors = floors_of(ruler, metrics, question, say=say) if with_floors else None
        fresh = _measure(subject, metrics, ruler, question, floors, say=say)
    key = question.key(subject.checkpoint)
    line = key | {
        "protocol": asdict(question.protocol),
        "checkpoint": subject.checkpoint,
        "metrics": fresh,
        "environment": _environment(ruler),
        "seconds": round(time.perf_counter() - begin, 2),
        "time": now(),
    }
    record.append(subject.folder, line)
    return record.answers([line], question, subject.checkpoint)


def _measure(
    subject: Subject,
    metrics: Sequence[Metric],
    ruler: Ruler,
    question: Question,
    floors: Floors | None,
    *,
    say: Say,
) -> dict[str, Any]:
    values: dict[str, dict[str, list[float]]] = {metric.name: {} for metric in metrics}
    flags: dict[str, list[str]] = {metric.name: [] for metric in metrics}
    for seed in range(question.seeds):
        say(f"sampling seed {seed}: {question.protocol.samples:,} images")
        fake = subject.look(seed)
        for metric in metrics:
            real = ruler.seen_by(metric)
            try:
                found = compute(metric, fake, real)
            except ValueError as error:
                raise DataError(f"{metric.name} of {subject.name}: {error}") from error
            for name, value in found.items():
                values[metric.name].setdefault(name, []).append(value)
            flag = metric.flag(found, floors[metric.name].get("held out", {}) if floors else {})
            flags[metric.name] += [flag] if flag else []
            if seed == 0:
                _draw_picture(subject, metric, fake, real)
    wanted = {w.name: w for w in question.metrics}
    return {
        metric.name: {
            "definition": wanted[metric.name].definition,
            "higher_is_better": metric.higher_is_better,
            "values": values[metric.name],
            # Warned of if most of the sampling seeds give cause to.
            "flags": sorted(
                {f for f in flags[metric.name] if 2 * flags[metric.name].count(f) > question.seeds}
            ),
            "floors": floors[metric.name] if floors else None,
        }
        for metric in metrics
    }


def _draw_picture(subject: Subject, metric: Metric, fake: Evidence, real: Evidence) -> None:
    picture = metric.picture(fake, real)
    if picture is not None:
        path = subject.folder / f"{metric.name}.png"
        with writing(path):
            save_picture(picture, path)


def _check_learned_from(trained: Trained, ruler: Ruler) -> None:
    ours, theirs = ruler.about["sha256"], trained.run.info["dataset"]["sha256"]
    if ours != theirs:
        raise RunError(
            f"{trained.run.name} was trained on other images than it is measured by: "
            f"{theirs[:12]}, not {ours[:12]}"
        )


def _environment(ruler: Ruler) -> dict[str, Any]:
    """Return what may move scores a little, and is warned of where rows of a table differ."""
    return {
        "torch": torch.__version__,
        "torchvision": version("torchvision"),
        "numpy": version("numpy"),
        "device": device_of(ruler.extractor).type,
        "threads": torch.get_num_threads(),
        "tf32": torch.backends.cudnn.allow_tf32,
    }
