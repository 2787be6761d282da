"""What a user asks for, and what it meant the last time: a board of known scores needs no torch."""

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

from ganlab.evaluation import record
from ganlab.evaluation.board import Entry
from ganlab.evaluation.protocol import AS_THEY_CAME, Protocol, Question, Wanted
from ganlab.files import cache_dir, write_json
from ganlab.runs import Run

if TYPE_CHECKING:
    from ganlab.sampling import Epoch
    from ganlab.training.draw import Bn


@dataclass(frozen=True)
class Request:
    """The options of ``ganlab eval`` that decide what is computed."""

    metrics: tuple[str, ...] = ()
    """By name, or as blocks of YAML; by default those of the profile."""

    profile: str = "standard"
    samples: int | None = None
    seeds: int | None = None
    extractor: str | None = None
    weights: str | None = None
    """A file for the extractor."""

    bn: Bn = "running"
    raw: bool = False
    truncation: float | None = None


class Memory:
    """Which questions a request meant, dataset by dataset, with the code and weights that are here.

    It is kept in the cache under a hash of the request and of every file that could change the
    answer, so it cannot be stale: a change of any of them is another hash.
    """

    def __init__(self, request: Request, folders: Sequence[Path] = ()) -> None:
        parts = [asdict(request), sorted(_fingerprint(request, folders))]
        digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:20]
        self._file = cache_dir() / "requests" / f"{digest}.json"
        try:
            self._known: dict[str, Any] = dict(json.loads(self._file.read_text()))
        except (OSError, ValueError, TypeError):  # not there, or damaged
            self._known = {}

    def question(self, about: Mapping[str, Any]) -> Question | None:
        """Return what is asked of a run that learned from this dataset, if that is known."""
        try:
            found = self._known[_key(about)]
            protocol = Protocol(**found["protocol"])
            wanted = tuple(Wanted(**metric) for metric in found["metrics"])
            return Question(**found | {"protocol": protocol, "metrics": wanted})
        except (LookupError, TypeError):  # unknown, or damaged
            return None

    def keep(self, questions: Sequence[tuple[Mapping[str, Any], Question]]) -> None:
        """Remember questions, by dataset."""
        self._known |= {_key(about): asdict(question) for about, question in questions}
        try:
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_json(self._file, self._known)
        except OSError:
            return  # it only saves time


def known_entry(run: Run, question: Question | None, epoch: Epoch) -> Entry | None:
    """Return a run's entry if its scores are recorded and say all that is asked."""
    made_elsewhere = "made_elsewhere" in run.info
    checkpoint = run.info["checkpoint"] if made_elsewhere else run.weights(epoch)
    if question is None or checkpoint is None:
        return None
    lines = record.read(run.path)
    for asked in of_images(run, question) if made_elsewhere else [question]:
        answer = record.answers(lines, asked, checkpoint, with_floors=True)
        if all(wanted.name in answer for wanted in asked.metrics):
            return entry(run, asked, epoch, checkpoint, answer)
    return None


def of_images(run: Run, question: Question) -> Iterator[Question]:
    """Yield what a question can mean for images from elsewhere, the first that applies counts.

    There is one set of them, drawn by no network of ours: one sampling seed. Labels go by quotas
    if that is possible; all images may also be taken as they came.
    """
    count = run.info["made_elsewhere"]["images"]
    protocol = replace(question.protocol, samples=min(question.protocol.samples, count))
    asked = replace(question, protocol=protocol, seeds=1, bn="running", raw=False, truncation=None)
    yield asked
    if protocol.samples == count:
        yield replace(asked, protocol=replace(protocol, labels=AS_THEY_CAME))


def entry(
    run: Run,
    question: Question,
    epoch: Epoch,
    checkpoint: Mapping[str, Any],
    answer: Mapping[str, Any],
) -> Entry:
    """Return what the board needs to know of a run."""
    choice = "last" if epoch is None else f"epoch {epoch}" if isinstance(epoch, int) else epoch
    choice = ", ".join([choice, *_unusual(question)])
    weights = "raw" if question.raw else checkpoint["weights"]
    return Entry(
        run.name,
        run.path,
        run.info,
        choice,
        {**checkpoint, "weights": weights},
        question,
        answer,
    )


def _unusual(question: Question) -> Iterator[str]:
    """Say how a model was drawn from, where that is not the usual way."""
    if question.raw:
        yield "raw"
    if question.bn != "running":
        yield f"bn {question.bn}"
    if question.truncation is not None:
        yield f"truncation {question.truncation:g}"


def _key(about: Mapping[str, Any]) -> str:
    text = json.dumps({k: v for k, v in about.items() if k != "fallback_for"}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def _fingerprint(request: Request, folders: Sequence[Path]) -> Iterator[str]:
    """Yield what changes when code, plugins or weights do."""
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
