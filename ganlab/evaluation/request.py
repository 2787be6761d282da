"""Score requests and their cached evaluation specs, so that recorded scores need no torch."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import entry_points, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganlab.evaluation import score_log
from ganlab.evaluation.board import Entry
from ganlab.evaluation.protocol import AS_THEY_CAME, EvaluationSpec, MetricSpec, Protocol
from ganlab.files import cache_dir, write_json
from ganlab.run_directory import RunDirectory

if TYPE_CHECKING:
    from ganlab.sampling import Epoch
    from ganlab.training.generate import Bn


@dataclass(frozen=True)
class ScoreRequest:
    """The options of ``ganlab eval`` that decide what is computed."""

    metrics: tuple[str, ...] = ()
    """Names or YAML blocks of metrics; by default, the metrics of the profile."""

    profile: str = "standard"
    samples: int | None = None
    seeds: int | None = None
    extractor: str | None = None
    weights: str | None = None
    """A file with weights for the extractor."""

    bn: Bn = "running"
    raw: bool = False
    truncation: float | None = None


class RequestCache:
    """The evaluation specs of a request, by dataset, for the installed code and weights.

    The cache key is a hash of the request and of every file that could change the result, so an
    entry cannot be stale.
    """

    def __init__(self, request: ScoreRequest, folders: Sequence[Path] = ()) -> None:
        parts = [asdict(request), sorted(_fingerprint(request, folders))]
        digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:20]
        self._file = cache_dir() / "requests" / f"{digest}.json"
        try:
            self._known: dict[str, Any] = dict(json.loads(self._file.read_text()))
        except (OSError, ValueError, TypeError):  # missing or damaged
            self._known = {}

    def eval_spec(self, about: Mapping[str, Any]) -> EvaluationSpec | None:
        """Return the cached spec for runs that were trained on this dataset, or None."""
        try:
            found = self._known[_key(about)]
            protocol = Protocol(**found["protocol"])
            wanted = tuple(MetricSpec(**metric) for metric in found["metrics"])
            return EvaluationSpec(**found | {"protocol": protocol, "metrics": wanted})
        except (LookupError, TypeError):  # unknown or damaged
            return None

    def keep(self, eval_specs: Sequence[tuple[Mapping[str, Any], EvaluationSpec]]) -> None:
        """Cache the evaluation specs, by dataset."""
        self._known |= {_key(about): asdict(eval_spec) for about, eval_spec in eval_specs}
        try:
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_json(self._file, self._known)
        except OSError:
            return  # the cache only saves time


def known_entry(run: RunDirectory, eval_spec: EvaluationSpec | None, epoch: Epoch) -> Entry | None:
    """Return the entry of a run if all requested scores are recorded, otherwise None."""
    made_elsewhere = "made_elsewhere" in run.info
    checkpoint = run.info["checkpoint"] if made_elsewhere else run.weights(epoch)
    if eval_spec is None or checkpoint is None:
        return None
    lines = score_log.read(run.path)
    for asked in of_images(run, eval_spec) if made_elsewhere else [eval_spec]:
        answer = score_log.answers(lines, asked, checkpoint, with_baselines=True)
        if all(wanted.name in answer for wanted in asked.metrics):
            return entry(run, asked, epoch, checkpoint, answer)
    return None


def of_images(run: RunDirectory, eval_spec: EvaluationSpec) -> Iterator[EvaluationSpec]:
    """Yield the variants of an evaluation spec for external images; the first that applies counts.

    There is one set of images, so there is one sampling seed and no sampling option. Labels follow
    the quotas of the reference if possible; otherwise all images are used as they came.
    """
    count = run.info["made_elsewhere"]["images"]
    protocol = replace(eval_spec.protocol, samples=min(eval_spec.protocol.samples, count))
    asked = replace(eval_spec, protocol=protocol, seeds=1, bn="running", raw=False, truncation=None)
    yield asked
    if protocol.samples == count:
        yield replace(asked, protocol=replace(protocol, labels=AS_THEY_CAME))


def entry(
    run: RunDirectory,
    eval_spec: EvaluationSpec,
    epoch: Epoch,
    checkpoint: Mapping[str, Any],
    answer: Mapping[str, Any],
) -> Entry:
    """Return the board entry of a run."""
    choice = "last" if epoch is None else f"epoch {epoch}" if isinstance(epoch, int) else epoch
    choice = ", ".join([choice, *_unusual(eval_spec)])
    weights = "raw" if eval_spec.raw else checkpoint["weights"]
    return Entry(
        run.name,
        run.path,
        run.info,
        choice,
        {**checkpoint, "weights": weights},
        eval_spec,
        answer,
    )


def _unusual(eval_spec: EvaluationSpec) -> Iterator[str]:
    """Describe the sampling options that differ from the default."""
    if eval_spec.raw:
        yield "raw"
    if eval_spec.bn != "running":
        yield f"bn {eval_spec.bn}"
    if eval_spec.truncation is not None:
        yield f"truncation {eval_spec.truncation:g}"


def _key(about: Mapping[str, Any]) -> str:
    text = json.dumps({k: v for k, v in about.items() if k != "fallback_for"}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def _fingerprint(request: ScoreRequest, folders: Sequence[Path]) -> Iterator[str]:
    """Yield strings that change when the code, the plugins or the weights change."""
    yield from (f"{name} {version(name)}" for name in ("torch", "torch-fidelity", "numpy"))
    yield from (f"{k}={v}" for k, v in os.environ.items() if k.endswith("_PLUGINS"))
    roots = {Path(__file__).parents[1], cache_dir() / "extractors", *folders}
    for point in entry_points(group="ganlab"):
        yield f"{point.name} {point.value}"
        spec = find_spec(point.value.split(":")[0].split(".")[0])
        if spec is not None:
            roots |= {Path(place) for place in spec.submodule_search_locations or ()}
            roots |= {Path(spec.origin)} if spec.origin else set()
    hub = Path(os.environ.get("TORCH_HOME", Path.home() / ".cache" / "torch")) / "hub"
    roots |= {hub / "checkpoints"} | ({Path(request.weights)} if request.weights else set())
    for root in {root.resolve() for root in roots}:
        files = root.rglob("*") if root.is_dir() else [root]
        for file in files:
            if file.suffix != ".pyc" and file.is_file():
                about = file.stat()
                yield f"{file} {about.st_size} {about.st_mtime_ns}"
