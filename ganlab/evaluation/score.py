"""Score a run: generate images, extract features once, compute the metrics, record the scores."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from ganlab.errors import DataError, RunError
from ganlab.evaluation import score_log
from ganlab.evaluation.evaluator import Evaluator
from ganlab.evaluation.features import compute, device_of
from ganlab.evaluation.generated import drawer
from ganlab.evaluation.protocol import EvaluationSpec
from ganlab.evaluation.real_baselines import RealBaselines, real_baselines_of
from ganlab.events import Detail, Tell, ignore, phase
from ganlab.metrics import Metric, MetricInput
from ganlab.pictures import save_picture
from ganlab.run_directory import now, writing
from ganlab.sampling import Epoch, Trained
from ganlab.seeds import seeded
from ganlab.training.checkpoint import read_stored


@dataclass(frozen=True)
class Candidate:
    """The generator or the image set to score."""

    name: str
    folder: Path
    """The folder in which the scores are recorded."""

    checkpoint: dict[str, Any]
    """The weights' identity: ``sha256``, ``weights`` (ema or raw), ``steps``, ``epochs``."""

    look: Callable[[int], MetricInput]
    """Returns the metric input of the images of a sampling seed."""


def score_run(
    trained: Trained,
    metrics: Sequence[Metric],
    evaluator: Evaluator,
    eval_spec: EvaluationSpec,
    *,
    epoch: Epoch = None,
    tell: Tell = ignore,
) -> dict[str, Any]:
    """Return the scores of a run; compute and record the scores that are missing.

    The result maps the name of each metric to ``values``, ``flags``, ``real_baselines`` and
    ``environment``. Raises `RunError` if the weights are missing or damaged, and `DataError` for
    images that cannot be scored.
    """
    checkpoint, known = _recorded(trained, eval_spec, epoch)
    missing = [metric for metric in metrics if metric.name not in known]
    if missing:
        _check_learned_from(trained, evaluator)
        # Sampling would skip a damaged checkpoint and use weights other than those named here.
        read_stored(trained.run.checkpoints / checkpoint["file"])
        draw = drawer(
            trained,
            evaluator.data,
            checkpoint,
            samples=eval_spec.protocol.samples,
            epoch=epoch,
            raw=eval_spec.raw,
            bn=eval_spec.bn,
            truncation=eval_spec.truncation,
            tell=tell,
        )

        def look(seed: int) -> MetricInput:
            return evaluator.look(*draw(seed), missing, tell=tell)

        candidate = Candidate(trained.run.name, trained.run.path, checkpoint, look)
        known |= score(candidate, missing, evaluator, eval_spec, tell=tell)
    return known


def missing_of(
    trained: Trained, metrics: Sequence[Metric], eval_spec: EvaluationSpec, epoch: Epoch
) -> list[Metric]:
    """Return the metrics that `score_run` would compute, because they are not recorded."""
    _, known = _recorded(trained, eval_spec, epoch)
    return [metric for metric in metrics if metric.name not in known]


def _recorded(
    trained: Trained, eval_spec: EvaluationSpec, epoch: Epoch
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the identity of the weights of an epoch, and their recorded scores."""
    checkpoint = trained.identify(epoch)
    if eval_spec.raw:
        checkpoint = checkpoint | {"weights": "raw"}
    lines = score_log.read(trained.run.path)
    return checkpoint, score_log.answers(lines, eval_spec, checkpoint, with_baselines=True)


def score(
    candidate: Candidate,
    metrics: Sequence[Metric],
    evaluator: Evaluator,
    eval_spec: EvaluationSpec,
    *,
    with_baselines: bool = True,
    tell: Tell = ignore,
) -> dict[str, Any]:
    """Compute metrics for a candidate's images, append them to its scores, and return them.

    All random states are restored afterwards. Without baselines, a flag that needs one may not be
    raised; a later call with baselines computes the metrics again.
    """
    begin = time.perf_counter()
    with seeded(0, torch.device("cpu")):
        real_baselines = (
            real_baselines_of(evaluator, metrics, eval_spec, tell=tell) if with_baselines else None
        )
        with phase(tell, ", ".join(metric.name for metric in metrics)):
            fresh = _measure(candidate, metrics, evaluator, eval_spec, real_baselines, tell=tell)
    key = eval_spec.key(candidate.checkpoint)
    line = key | {
        "protocol": asdict(eval_spec.protocol),
        "checkpoint": candidate.checkpoint,
        "metrics": fresh,
        "environment": _environment(evaluator),
        "seconds": round(time.perf_counter() - begin, 2),
        "time": now(),
    }
    score_log.append(candidate.folder, line)
    return score_log.answers([line], eval_spec, candidate.checkpoint)


def _measure(
    candidate: Candidate,
    metrics: Sequence[Metric],
    evaluator: Evaluator,
    eval_spec: EvaluationSpec,
    real_baselines: RealBaselines | None,
    *,
    tell: Tell,
) -> dict[str, Any]:
    values: dict[str, dict[str, list[float]]] = {metric.name: {} for metric in metrics}
    flags: dict[str, list[str]] = {metric.name: [] for metric in metrics}
    for seed in range(eval_spec.seeds):
        tell(Detail(f"sampling seed {seed}: {eval_spec.protocol.samples:,} images"))
        fake = candidate.look(seed)
        for metric in metrics:
            real = evaluator.seen_by(metric)
            try:
                found = compute(metric, fake, real)
            except ValueError as error:
                raise DataError(f"{metric.name} of {candidate.name}: {error}") from error
            for name, value in found.items():
                values[metric.name].setdefault(name, []).append(value)
            flag = metric.flag(
                found, real_baselines[metric.name].get("held out", {}) if real_baselines else {}
            )
            flags[metric.name] += [flag] if flag else []
            if seed == 0:
                _draw_picture(candidate, metric, fake, real)
    wanted = {w.name: w for w in eval_spec.metrics}
    return {
        metric.name: {
            "definition": wanted[metric.name].definition,
            "higher_is_better": metric.higher_is_better,
            "values": values[metric.name],
            # A flag counts if most of the sampling seeds raise it.
            "flags": sorted(
                {f for f in flags[metric.name] if 2 * flags[metric.name].count(f) > eval_spec.seeds}
            ),
            "real_baselines": real_baselines[metric.name] if real_baselines else None,
        }
        for metric in metrics
    }


def _draw_picture(
    candidate: Candidate, metric: Metric, fake: MetricInput, real: MetricInput
) -> None:
    picture = metric.picture(fake, real)
    if picture is not None:
        path = candidate.folder / f"{metric.name}.png"
        with writing(path):
            save_picture(picture, path)


def _check_learned_from(trained: Trained, evaluator: Evaluator) -> None:
    ours, theirs = evaluator.about["sha256"], trained.run.info["dataset"]["sha256"]
    if ours != theirs:
        raise RunError(
            f"{trained.run.name} was trained on other images than it is measured by: "
            f"{theirs[:12]}, not {ours[:12]}"
        )


def _environment(evaluator: Evaluator) -> dict[str, Any]:
    """Return the conditions that may change scores slightly, for warnings on the board."""
    return {
        "torch": torch.__version__,
        "torchvision": version("torchvision"),
        "numpy": version("numpy"),
        "device": device_of(evaluator.extractor).type,
        "threads": torch.get_num_threads(),
        "tf32": torch.backends.cudnn.allow_tf32,
    }
