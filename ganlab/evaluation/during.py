"""Scores while a run is training: of the weights in memory, without a trace in what is learned."""

from __future__ import annotations

import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ganlab.config.experiment import Experiment
from ganlab.evaluation import record
from ganlab.evaluation.draws import quota_labels
from ganlab.evaluation.protocol import PROFILES
from ganlab.evaluation.record import history as history
from ganlab.evaluation.ruler import metrics_for, ruler_for
from ganlab.evaluation.score import Subject, score
from ganlab.plugins import Plugins
from ganlab.runs import Run
from ganlab.training.draw import draw_images, noise


class DuringTraining:
    """Scores as the ``eval`` section asks for them. Whatever is missing is raised at once."""

    def __init__(
        self,
        experiment: Experiment,
        about: dict[str, Any],
        plugins: Plugins,
        *,
        device: torch.device,
        root: Path | None = None,
    ) -> None:
        asked = experiment.eval
        profile = PROFILES[asked.options.profile]
        profile = replace(profile, samples=asked.options.samples or profile.samples)
        self.ruler = ruler_for(
            experiment.dataset, about, plugins, extractor=asked.extractor, root=root, device=device
        )
        self.metrics = metrics_for(plugins, asked.metrics, profile, self.ruler)
        self.question = self.ruler.question(self.metrics, profile)
        self.z_dim = experiment.train.z_dim
        self.ranks = self.metrics[0].name
        self.higher_is_better = self.metrics[0].higher_is_better is True

    def __call__(
        self, run: Run, network: nn.Module, checkpoint: dict[str, Any]
    ) -> dict[str, float]:
        """Record the scores of a generator in memory, and return them by name.

        Weights that a resumed run comes to again have their scores already.
        """
        answer = record.answers(record.read(run.path), self.question, checkpoint)
        missing = [metric for metric in self.metrics if metric.name not in answer]
        if missing:

            def draw(seed: int) -> tuple[Tensor, Tensor]:
                data, count = self.ruler.data, self.question.protocol.samples
                labels = quota_labels(data.labels, data.spec.num_classes, samples=count, seed=seed)
                return draw_images(network, noise(count, self.z_dim, seed), labels), labels

            subject = Subject(run.name, run.path, checkpoint, draw)
            answer |= score(subject, missing, self.ruler, self.question, with_floors=False)
        return {
            name: statistics.fmean(values)
            for metric in self.metrics
            for name, values in answer[metric.name]["values"].items()
        }

    def history(self, run: Run) -> dict[str, list[tuple[float, float]]]:
        """Return (epochs, score) of each metric, by name, as far as this run has been scored."""
        return history(record.read(run.path), self.question.protocol.id)
