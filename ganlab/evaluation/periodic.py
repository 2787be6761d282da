"""Scores of the weights in memory during training. Scoring does not affect the training."""

from __future__ import annotations

import logging
import math
import statistics
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ganlab import distributed
from ganlab.errors import DataError
from ganlab.evaluation import score_log
from ganlab.evaluation.evaluator import make_evaluator, metrics_for
from ganlab.evaluation.features import classify, compute, joined, subset
from ganlab.evaluation.generated import quota_labels
from ganlab.evaluation.protocol import PROFILES
from ganlab.evaluation.score import Candidate, score
from ganlab.events import Tell, ignore
from ganlab.metrics import MetricInput
from ganlab.run_directory import RunDirectory
from ganlab.seeds import seeded
from ganlab.training import generate
from ganlab.training.session import Plan

log = logging.getLogger("ganlab")


class PeriodicEvaluator:
    """Computes the scores of the ``eval`` section. Invalid settings raise an error at once.

    It is independent of a run: experiments with the same dataset and section can share it.
    """

    def __init__(self, plan: Plan, *, root: Path | None = None, tell: Tell = ignore) -> None:
        self.tell = tell
        asked = plan.experiment.eval
        profile = PROFILES[asked.options.profile]
        profile = replace(profile, samples=asked.options.samples or profile.samples)
        self.evaluator = make_evaluator(
            plan.experiment.dataset,
            plan.dataset,
            plan.plugins,
            extractor=asked.extractor,
            root=root,
            device=plan.model.choices.device,
            tell=tell,
        )
        self.evaluator.data = plan.data
        self.metrics = metrics_for(plan.plugins, asked.metrics, profile, self.evaluator)
        self.eval_spec = self.evaluator.eval_spec(self.metrics, profile)
        self.about = str(self.eval_spec)
        ranks = next((w for w in self.eval_spec.metrics if w.higher_is_better is not None), None)
        if ranks is None:
            raise DataError("no metric says which weights are better: name one in eval.metrics")
        self.higher_is_better = bool(ranks.higher_is_better)
        self.ranking = {
            "metric": ranks.name,
            "protocol_id": self.eval_spec.protocol.id,
            "definition": ranks.definition,
        }
        if distributed.rank() == 0:
            self._rehearse()

    def part(
        self, network: nn.Module, seed: int, *, z_dim: int, number: int, of: int
    ) -> MetricInput | None:
        """Return the metric input of part ``number`` of ``of`` of the images of a generator.

        A part holds whole batches, so that all parts together are the images that one process
        draws. Return None for a part without any batch.
        """
        count = self.eval_spec.protocol.samples
        batches = math.ceil(count / generate.BATCH)
        begin, end = (batches * n // of * generate.BATCH for n in (number, number + 1))
        data = self.evaluator.data
        labels = quota_labels(data.labels, data.spec.num_classes, samples=count, seed=seed)
        labels = labels[begin:end]
        if not len(labels):
            return None
        z = generate.noise(len(labels), z_dim, seed, first=begin)
        images = generate.generate_images(network, z, labels, first=begin, tell=self.tell)
        return self.evaluator.look(images, labels, self.metrics, tell=self.tell)

    def __call__(
        self,
        run: RunDirectory,
        look: Callable[[int], list[MetricInput | None]],
        checkpoint: dict[str, Any],
    ) -> dict[str, float]:
        """Record the scores of a generator, and return them by name.

        ``look`` returns the metric inputs of all parts of the images of a sampling seed.

        Scores that are already recorded, as for weights that a resumed run reaches again, are not
        computed again. Images that cannot be scored cause a warning and do not stop training.
        """
        answer = score_log.answers(score_log.read(run.path), self.eval_spec, checkpoint)
        missing = [metric for metric in self.metrics if metric.name not in answer]
        if missing:

            def whole(seed: int) -> MetricInput:
                return joined([part for part in look(seed) if part is not None])

            candidate = Candidate(run.name, run.path, checkpoint, whole)
            try:
                answer |= score(
                    candidate, missing, self.evaluator, self.eval_spec, with_baselines=False
                )
            except DataError as error:
                log.warning("there are no scores of step %d: %s", checkpoint["steps"], error)
                return {}
        return {
            name: statistics.fmean(values)
            for metric in self.metrics
            for name, values in answer[metric.name]["values"].items()
        }

    def history(self, run: RunDirectory) -> dict[str, list[tuple[float, float]]]:
        """Return the recorded pairs (epochs, score) of each metric of the run, by name."""
        return score_log.history(score_log.read(run.path), self.eval_spec.protocol.id)

    def _rehearse(self) -> None:
        """Score real images, so that a failing metric is reported before training starts."""
        fake = subset(self.evaluator.reference, self.eval_spec.protocol.samples)
        if any("classifier" in metric.needs for metric in self.metrics):
            assert fake.images is not None
            fake = replace(fake, predicted=classify(self.evaluator.classifier, fake.images))
        for metric in self.metrics:
            try:
                with seeded(0, torch.device("cpu")):
                    compute(metric, fake, self.evaluator.seen_by(metric))
            except ValueError as error:
                raise DataError(f"{metric.name} cannot score even real images: {error}") from error
