"""The evaluator: the reference images, the extractor and the classifier for one dataset."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganlab.components import Dataset
from ganlab.data.prepare import prepare
from ganlab.errors import DataError, DataUnavailable, RunError
from ganlab.evaluation.features import classify, metric_input_of, real_metric_input
from ganlab.evaluation.protocol import (
    LEVELS,
    EvaluationSpec,
    MetricSpec,
    Profile,
    Protocol,
    definition,
)
from ganlab.events import Tell, ignore
from ganlab.metrics import Extractor, Metric, MetricInput
from ganlab.nn import ExtractorNet
from ganlab.plugins import Plugins
from ganlab.training.generate import Bn
from ganlab.types import Prepared

log = logging.getLogger("ganlab")


@dataclass
class Evaluator:
    """Evaluates generators that were trained on one dataset. Images are read on first use."""

    dataset: Dataset
    about: Mapping[str, Any]
    """The entry for the dataset in run.json: name, hash, number of images, size, classes."""

    extractor: ExtractorNet
    classifier: ExtractorNet | None
    root: Path | None = None
    tell: Tell = field(default=ignore, repr=False)

    @cached_property
    def data(self) -> Prepared:
        """The reference: the train split. Raises `RunError` if it is not the one trained on."""
        data = prepare(self.dataset, root=self.root, split="train")
        if data.sha256 != self.about["sha256"]:
            raise RunError(
                f"'{data.source}' has other images now than the run was trained on: "
                f"{self.about['sha256'][:12]} then, {data.sha256[:12]} now"
            )
        return data

    @cached_property
    def reference(self) -> MetricInput:
        return real_metric_input(self.data, self.extractor, tell=self.tell)

    @cached_property
    def test(self) -> Prepared | None:
        """The test split; None, with a warning, if the dataset has none."""
        try:
            return prepare(self.dataset, root=self.root, split="test")
        except DataError as error:
            log.warning("there are no held-out images: %s", error)
            return None

    @cached_property
    def held_out(self) -> MetricInput | None:
        """The metric input of the test split, including the classifier's predictions."""
        if self.test is None:
            return None
        metric_input = real_metric_input(self.test, self.extractor, tell=self.tell)
        return replace(metric_input, predicted=classify(self.classifier, self.test.images))

    def seen_by(self, metric: Metric) -> MetricInput:
        """Return the reference's metric input, with held-out images if the metric needs them."""
        held_out = self.held_out if "held out" in metric.needs else None
        return replace(self.reference, held_out=held_out)

    def look(
        self, images: Tensor, labels: Tensor, metrics: Sequence[Metric], *, tell: Tell = ignore
    ) -> MetricInput:
        """Return the metric input of images (N, C, H, W) uint8 and labels (N,) for ``metrics``."""
        classifier = (
            self.classifier if any("classifier" in metric.needs for metric in metrics) else None
        )
        return metric_input_of(images, labels, self.extractor, classifier, tell=tell)

    def eval_spec(
        self,
        metrics: Sequence[Metric],
        profile: Profile,
        *,
        bn: Bn = "running",
        raw: bool = False,
        truncation: float | None = None,
    ) -> EvaluationSpec:
        """Return the evaluation spec for a run that was trained on this dataset."""
        return EvaluationSpec(
            Protocol.of(self.about, samples=profile.samples, extractor=self.extractor.id),
            tuple(
                MetricSpec(m.name, definition(m, self.classifier), m.higher_is_better)
                for m in metrics
            ),
            seeds=profile.seeds,
            bn=bn,
            raw=raw,
            truncation=truncation,
        )


def make_evaluator(
    dataset: Dataset,
    about: Mapping[str, Any],
    plugins: Plugins,
    *,
    extractor: Extractor | None = None,
    profile: Profile | None = None,
    root: Path | None = None,
    device: torch.device | None = None,
    tell: Tell = ignore,
) -> Evaluator:
    """Return the evaluator for a dataset. Errors name the missing part and what to do."""
    net = _extractor(about, plugins, extractor, published=bool(profile and profile.published))
    classifier = _classifier(about, plugins, extractor)
    if classifier is not None and classifier.class_names != tuple(about["class_names"]):
        log.warning(
            "%s tells %s; the classes here are %s: there is no classifier",
            classifier.id,
            ", ".join(classifier.class_names),
            ", ".join(about["class_names"]),
        )
        classifier = None
    for network in (net, classifier):
        if network is not None:
            network.to(device or torch.device("cpu"))
    return Evaluator(dataset, about, net, classifier, root, tell)


def metrics_for(
    plugins: Plugins, named: Sequence[Metric], profile: Profile, evaluator: Evaluator
) -> list[Metric]:
    """Return the metrics to compute: the named ones, or the profile's, and those always shown.

    Raises `DataError` if a metric is named twice, needs more images than there are, or needs a
    classifier that is not available. Metrics that were not named are left out with a warning if
    they cannot be computed. At least one metric must remain.
    """
    samples = evaluator.eval_spec([], profile).protocol.samples
    names = [metric.name for metric in named]
    for metric in named:
        if names.count(metric.name) > 1:
            raise DataError(f"{metric.name} is asked for twice: a board has one column for it")
        if reason := _impossible(metric, samples, evaluator):
            raise DataError(reason)
    known = [owner.component for owner in plugins.registered(Metric.kind)]
    offered = [c for c in known if issubclass(c, Metric) and c.name not in names]
    level = LEVELS.index(profile.level)
    placed = [
        (c.default_order, c)
        for c in offered
        if c.default_order is not None and LEVELS.index(c.min_profile) <= level and not named
    ]
    more = [c for _, c in sorted(placed, key=lambda pair: pair[0])]
    more += [c for c in offered if c.always_shown and c not in more]
    others = [component() for component in more]
    reasons = {metric.name: _impossible(metric, samples, evaluator) for metric in others}
    found = [*named, *(metric for metric in others if reasons[metric.name] is None)]
    if not found:
        raise DataError("\n  ".join(["no metric can be computed", *map(str, reasons.values())]))
    for reason in filter(None, reasons.values()):
        log.warning("left out: %s", reason)
    return found


def _impossible(metric: Metric, samples: int, evaluator: Evaluator) -> str | None:
    if samples < metric.min_images:
        more = "; --samples asks for more" if evaluator.about["images"] >= metric.min_images else ""
        return (
            f"{metric.name} needs at least {metric.min_images:,} images, generated and real: "
            f"here are {samples:,}{more}"
        )
    if "classifier" in metric.needs and evaluator.classifier is None:
        name = evaluator.about["name"]
        return (
            f"{metric.name} needs a network that tells the classes of '{name}', and there is none: "
            f"make one with ganlab extractor train {name}"
        )
    if "logits" in metric.needs and not evaluator.extractor.has_logits:
        extractor = evaluator.extractor.id
        return f"{metric.name} needs an extractor that classifies images; {extractor} does not"
    return None


def _extractor(
    about: Mapping[str, Any], plugins: Plugins, named: Extractor | None, *, published: bool
) -> ExtractorNet:
    """Load the named extractor, or the first by priority whose weights are available."""
    candidates = [named] if named else _in_line(plugins, about["channels"], published=published)
    if published and not all(candidate.published for candidate in candidates):
        raise DataError(f"published scores do not come from '{candidates[0].name}': name another")
    if not candidates:
        which = "that published scores come from " if published else ""
        raise DataUnavailable(f"no extractor {which}is loaded: see ganlab plugins")
    reasons = []
    for candidate in candidates:
        try:
            return candidate.load(about["name"], about["channels"])
        except DataUnavailable as error:
            reasons.append(str(error))
    raise DataUnavailable("\n  ".join(reasons))


def _classifier(
    about: Mapping[str, Any], plugins: Plugins, named: Extractor | None
) -> ExtractorNet | None:
    """Load the classifier of the named extractor, or of the first by priority that has one."""
    line = _in_line(plugins, about["channels"], published=False)
    for candidate in [named, *line] if named else line:
        classifier = candidate.classifier(about["name"], about["channels"])
        if classifier is not None:
            return classifier
    return None


def _in_line(plugins: Plugins, channels: int, *, published: bool) -> list[Extractor]:
    found = [owner.component for owner in plugins.registered(Extractor.kind)]
    offered = [c for c in found if issubclass(c, Extractor)]
    if published:
        return [c() for c in offered if c.published]
    placed = [(c.priority(channels), c) for c in offered]
    line = sorted(((p, c) for p, c in placed if p is not None), key=lambda pair: pair[0])
    return [component() for _, component in line]
