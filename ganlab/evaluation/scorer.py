"""Score runs, and collect the entries of the leaderboard."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from ganlab.components import Dataset
from ganlab.config.blocks import Builder
from ganlab.config.reader import Document, read
from ganlab.config.tree import build_tree
from ganlab.errors import ConfigError, GanlabError, Problem
from ganlab.evaluation import external
from ganlab.evaluation.board import Entry
from ganlab.evaluation.evaluator import Evaluator, make_evaluator, metrics_for
from ganlab.evaluation.protocol import PROFILES, EvaluationSpec, Profile
from ganlab.evaluation.real_baselines import real_baselines_of
from ganlab.evaluation.request import RequestCache, ScoreRequest, entry, known_entry
from ganlab.evaluation.score import missing_of, score_run
from ganlab.events import Tell, ignore, phase
from ganlab.metrics import Extractor, Metric
from ganlab.plugins import Plugins
from ganlab.run_directory import RunDirectory
from ganlab.sampling import Epoch, Trained, load
from ganlab.training.precision import choose_device

log = logging.getLogger("ganlab")


@dataclass
class PreparedEvaluator:
    """An evaluator, together with the metrics and the evaluation spec to use."""

    evaluator: Evaluator
    metrics: list[Metric]
    eval_spec: EvaluationSpec
    ready: bool = False
    """True if the features of the real images are computed."""


@dataclass
class Scorer:
    """Scores runs for one request. Evaluators that runs share are loaded once."""

    request: ScoreRequest
    plugins: Plugins
    device: str = "auto"
    root: Path | None = None
    tell: Tell = ignore
    _evaluators: dict[tuple[str, str], PreparedEvaluator] = field(default_factory=dict)
    _opened: dict[Path, Trained] = field(default_factory=dict)

    @property
    def profile(self) -> Profile:
        """The profile of the request, with the numbers that the request overrides."""
        found = PROFILES[self.request.profile]
        return replace(
            found,
            samples=self.request.samples or found.samples,
            seeds=self.request.seeds or found.seeds,
        )

    def entry(self, run: RunDirectory, epoch: Epoch = None) -> Entry:
        """Return a run's board entry; compute scores that are missing. Raises `GanlabError`."""
        if external.is_external(run):
            prepared = self.evaluator_for(run, external.dataset_of(run, self.plugins))
            known = known_entry(run, prepared.eval_spec, epoch)
            if known is not None:  # works even if the images were deleted
                return known
            answer, eval_spec = external.score_images(
                run, prepared.metrics, prepared.evaluator, prepared.eval_spec, tell=self.tell
            )
            return entry(run, eval_spec, epoch, run.info["checkpoint"], answer)
        trained = self._opened.pop(run.path, None) or self._open(run)
        prepared = self.evaluator_for(run, trained.experiment.dataset)
        answer = score_run(
            trained,
            prepared.metrics,
            prepared.evaluator,
            prepared.eval_spec,
            epoch=epoch,
            tell=self.tell,
        )
        return entry(run, prepared.eval_spec, epoch, trained.identify(epoch), answer)

    def evaluator_for(self, run: RunDirectory, dataset: Dataset) -> PreparedEvaluator:
        """Return the evaluator for a run that was trained on this dataset."""
        about = run.info["dataset"]
        key = about["name"], about["sha256"]
        if key not in self._evaluators:
            evaluator = make_evaluator(
                dataset,
                about,
                self.plugins,
                extractor=self._extractor,
                profile=self.profile,
                root=self.root,
                device=choose_device(self.device),
                tell=self.tell,
            )
            metrics = metrics_for(self.plugins, self._metrics, self.profile, evaluator)
            eval_spec = evaluator.eval_spec(
                metrics,
                self.profile,
                bn=self.request.bn,
                raw=self.request.raw,
                truncation=self.request.truncation,
            )
            self._evaluators[key] = PreparedEvaluator(evaluator, metrics, eval_spec)
        return self._evaluators[key]

    def prepare(self, run: RunDirectory, epoch: Epoch = None) -> bool:
        """Return True if any requested score of the run is missing.

        In this case, the features of the real images are computed and cached, so that scoring
        processes can reuse them. Raises `GanlabError`.
        """
        if external.is_external(run):
            prepared = self.evaluator_for(run, external.dataset_of(run, self.plugins))
            if known_entry(run, prepared.eval_spec, epoch) is not None:
                return False
        else:
            if run.path not in self._opened:
                self._opened[run.path] = self._open(run)
            trained = self._opened[run.path]
            prepared = self.evaluator_for(run, trained.experiment.dataset)
            if not missing_of(trained, prepared.metrics, prepared.eval_spec, epoch):
                return False
        if not prepared.ready:
            real_baselines_of(
                prepared.evaluator, prepared.metrics, prepared.eval_spec, tell=self.tell
            )
            _ = prepared.evaluator.reference
            prepared.ready = True
        return True

    def _open(self, run: RunDirectory) -> Trained:
        return load(run.path, device=self.device, plugins=self.plugins)

    def eval_specs(self) -> list[tuple[Mapping[str, Any], EvaluationSpec]]:
        """Return the evaluation specs that were used so far, by dataset."""
        return [(m.evaluator.about, m.eval_spec) for m in self._evaluators.values()]

    def check(self) -> None:
        """Raise an error if the request is invalid for every run."""
        _ = self._metrics, self._extractor

    @cached_property
    def _metrics(self) -> list[Metric]:
        return [self._component(Metric, text) for text in self.request.metrics]

    @cached_property
    def _extractor(self) -> Extractor | None:
        if self.request.extractor is None:
            return None
        found = self._component(Extractor, self.request.extractor)
        if self.request.weights is None:
            return found
        if "weights" not in type(found).model_fields:
            what = f"extractor '{found.name}' takes no file of weights"
            raise ConfigError([Problem("", what)], "the command line")
        return type(found)(**found.model_dump() | {"weights": self.request.weights})

    def _component(self, base: type[Any], text: str) -> Any:
        """Build a component from its name or from a YAML block."""
        if text.lstrip().startswith("{"):
            document = read(text, "the command line", numbered=False)
        else:
            self.plugins.get(base, text)  # or raise an error that suggests a similar name
            document = Document({"type": text}, lines={})
        builder = Builder(self.plugins, problems=document.problems)
        built = builder.build_one(base, build_tree(document))
        if built is None or builder.problems:
            raise ConfigError(builder.problems, "the command line")
        return built.component


def score_runs(
    runs: Sequence[RunDirectory],
    scorer: Scorer,
    *,
    epoch: Epoch = None,
    request_cache: RequestCache | None = None,
    strict: bool = True,
    starting: Callable[[RunDirectory], None] = lambda _: None,
) -> list[Entry]:
    """Return the board entries of these runs.

    ``strict``: raise the first error. Otherwise, skip the run with a warning.
    """
    scorer.check()
    entries = []
    total = len(runs) if len(runs) > 1 else None
    with phase(scorer.tell, "scoring", total=total, unit="runs") as scoring:
        for run in runs:
            starting(run)
            try:
                entries.append(scorer.entry(run, epoch))
            except GanlabError as error:
                if strict:
                    raise
                log.warning("%s is left out: %s", run.name, error)
            scoring.advance()
    if request_cache is not None:
        request_cache.keep(scorer.eval_specs())
    return entries
