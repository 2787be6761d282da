"""What the files of a run hold: one model for each kind of record.

The models check records when they are read: the required keys are those without which a later step
would fail. Keys that a model does not know are kept, so that files of older and newer versions of
ganlab can be read. The records themselves stay plain dicts, as they are in the files.
"""

from __future__ import annotations

import json
import logging
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

log = logging.getLogger("ganlab")


class Record(BaseModel):
    """A record: values must have the declared types; unknown keys are allowed."""

    # Strict, since the record stays a dict of what the file holds. Built when first used: a command
    # reads few kinds of records.
    model_config = ConfigDict(strict=True, extra="allow", defer_build=True)


class ProgressRecord(Record):
    """How far a run is: see `ganlab.run_directory.Progress`."""

    steps: int = 0
    batches: int = 0
    images: int = 0
    epochs: float = 0.0
    seconds: float = 0.0


# ------------------------------------------------------------------------------- run.json


class DatasetRecord(Record):
    """The dataset that a run was trained on, or that images are compared with."""

    name: str
    sha256: str
    images: int
    image_size: int
    """Height and width in pixels."""

    channels: int
    class_names: list[str]
    fallback_for: str | None = None
    """The dataset that the experiment names, where another one was used."""


class PluginRecord(Record):
    """The source of a component."""

    sha256: str
    file: str | None = None
    source: str = ""


class SessionRecord(Record):
    """One period of training, from a start or a resume to its end."""

    argv: list[str] = []
    peak_memory_bytes: float | None = None


class WeightsRecord(Record):
    """The identity of the weights that images are drawn from."""

    sha256: str
    weights: str
    """``ema``, ``raw`` or, for images of another system, ``images``."""

    steps: int
    epochs: float


class SavedWeightsRecord(WeightsRecord):
    """Weights in a file of the run's checkpoint folder."""

    file: str


class RankingRecord(Record):
    """The score by which weights are the best of a run."""

    metric: str
    score: float


class BestWeightsRecord(SavedWeightsRecord):
    """The weights with the best score so far."""

    by: RankingRecord


class RunRecord(Record):
    """``run.json``: the keys that every run has."""

    experiment: str
    identity: str
    """Hash of everything that decides what is learned, except the seed."""

    seed: int
    status: str
    dataset: DatasetRecord
    created: str = ""
    """ISO 8601, UTC."""

    progress: ProgressRecord = Field(default_factory=ProgressRecord)
    config: dict[str, Any] = {}
    parameters: dict[str, int] = {}
    """Number of parameters of each network."""

    error: str | None = None


class TrainedRunRecord(RunRecord):
    """``run.json`` of a run that ganlab trains."""

    sessions: list[SessionRecord]
    plugins: dict[str, PluginRecord]
    choices: dict[str, Any]
    checkpoint: SavedWeightsRecord | None = None
    best: BestWeightsRecord | None = None
    signal: int | None = None
    """The signal that interrupted the run."""


class ImageSourceRecord(Record):
    """The folder and the label file that images of another system come from."""

    place: str
    labels: str | None
    images: int


class ImagesRunRecord(RunRecord):
    """``run.json`` of images that another system generated."""

    made_elsewhere: ImageSourceRecord
    dataset_block: dict[str, Any]
    checkpoint: WeightsRecord


def parse_run(text: str) -> dict[str, Any]:
    """Return the content of ``run.json``.

    Raises `ValueError` if it is not JSON, a required key is missing, or a value is invalid.
    """
    info = _mapping(text)
    check(ImagesRunRecord if "made_elsewhere" in info else TrainedRunRecord, info)
    return info


# ------------------------------------------------------------------------ lines of log.jsonl


class LogRecord(Record):
    """A line of ``log.jsonl``: means over a log interval. Further keys are logged scalars."""

    step: int
    epochs: float
    images: int = 0
    seconds: float = 0.0
    loss_d: float | None = None
    loss_g: float | None = None
    d_real: float | None = None
    d_fake_before: float | None = None
    d_fake_after: float | None = None


# --------------------------------------------------------------------- lines of scores.jsonl


class ScoredWeightsRecord(Record):
    """The weights that were scored."""

    epochs: float
    steps: int | None = None


class MetricRecord(Record):
    """The result of one metric."""

    definition: dict[str, Any]
    """Version and options of the metric: results with other definitions do not compare."""

    values: dict[str, Annotated[list[float], Field(min_length=1)]]
    """For each value of the metric, one number per sampling seed."""

    flags: list[str]
    real_baselines: dict[str, dict[str, float]] | None = None
    """What real images score; None where they were not scored, and a flag may be missing then."""

    floors: dict[str, dict[str, float]] | None = None
    """The name of ``real_baselines`` in older files."""


class ScoreRecord(Record):
    """A line of ``scores.jsonl``: the metrics of one set of weights under one protocol."""

    protocol_id: str
    checkpoint: ScoredWeightsRecord
    metrics: dict[str, MetricRecord]
    protocol: dict[str, Any] = {}
    environment: dict[str, Any] = {}
    """Versions, device and threads of the scoring process."""

    weights_sha256: str | None = None
    weights: str | None = None
    bn: str | None = None
    truncation: float | None = None
    seeds: list[int] = []
    """Sampling seeds."""


# -------------------------------------------------------------------- metadata of checkpoints


class StoredRecord(Record):
    """The metadata of a file of weights."""

    format: int
    identity: str
    seed: int
    progress: ProgressRecord
    sha256: str
    """Hash of all tensors of the file."""


class CheckpointRecord(StoredRecord):
    """The metadata of a checkpoint that training can resume from."""

    optimizers: dict[str, list[dict[str, Any]]]
    unlogged: list[dict[str, float]]


# -------------------------------------------------------------------------------- reading


def check(model: type[Record], data: object) -> None:
    """Raise `ValueError` naming the first invalid field, such as ``dataset.sha256 is missing``."""
    try:
        model.model_validate(data)
    except ValidationError as error:
        raise ValueError(_reason(error)) from None


def read_records(path: Path, model: type[Record]) -> list[dict[str, Any]]:
    """Return the records of a JSON Lines file; an empty list if there is no such file.

    A damaged line is skipped with a warning that names the file, the line and the field. A file
    that cannot be read gives a warning and an empty list.
    """
    try:
        text = path.read_text(errors="replace")
    except FileNotFoundError:
        return []
    except OSError as error:
        warn_once(path, f"{path} cannot be read: {error.strerror}")
        return []
    records = []
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            record = _mapping(line)
            check(model, record)
        except ValueError as error:
            warn_once(path, f"{path}: line {number} is damaged and skipped: {error}")
        else:
            records.append(record)
    return records


def warn_once(path: Path, text: str) -> None:
    """Log a warning about a file, the first time only: most files are read repeatedly."""
    _warn(path.absolute(), text)


@lru_cache(maxsize=1000)
def _warn(path: Path, text: str) -> None:
    log.warning("%s", text)


def _mapping(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"it is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise ValueError(f"expected a mapping, found {type(found).__name__}")
    return found


def _reason(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    field = ".".join(map(str, first["loc"]))
    if first["type"] == "missing":
        return f"{field} is missing"
    message = f"{first['msg'][:1].lower()}{first['msg'][1:]}"
    return f"{field}: {message}" if field else message
