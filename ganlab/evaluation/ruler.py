"""What images of one dataset are measured by: real images, an extractor, and a judge."""

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
from ganlab.data.prepared import Prepared
from ganlab.errors import DataError, DataUnavailable, RunError
from ganlab.evaluation.features import Say, evidence_of, judged, quiet, real_evidence
from ganlab.evaluation.protocol import (
    LEVELS,
    Profile,
    Protocol,
    Question,
    Wanted,
    definition,
)
from ganlab.measures import Evidence, Extractor, Metric
from ganlab.nn import ExtractorNet
from ganlab.plugins import Plugins
from ganlab.training.draw import Bn

log = logging.getLogger("ganlab")


@dataclass
class Ruler:
    """Measures what was learned from one dataset. Its images are read when they are needed."""

    dataset: Dataset
    about: Mapping[str, Any]
    """What a run records of its dataset: name, hash, number of images, size, classes."""

    extractor: ExtractorNet
    judge: ExtractorNet | None
    root: Path | None = None
    say: Say = field(default=quiet, repr=False)

    @cached_property
    def data(self) -> Prepared:
        """The reference: the train split, which must be what was learned from."""
        data = prepare(self.dataset, root=self.root, split="train")
        if data.sha256 != self.about["sha256"]:
            raise RunError(
                f"'{data.source}' has other images now than the run was trained on: "
                f"{self.about['sha256'][:12]} then, {data.sha256[:12]} now"
            )
        return data

    @cached_property
    def reference(self) -> Evidence:
        return real_evidence(self.data, self.extractor, say=self.say)

    @cached_property
    def test(self) -> Prepared | None:
        """Images that nobody has learned from; None, with a warning, if the dataset has none."""
        try:
            return prepare(self.dataset, root=self.root, split="test")
        except DataError as error:
            log.warning("there are no held-out images: %s", error)
            return None

    @cached_property
    def held_out(self) -> Evidence | None:
        """What there is to know of the test split, judged."""
        if self.test is None:
            return None
        evidence = real_evidence(self.test, self.extractor, say=self.say)
        return replace(evidence, predicted=judged(self.judge, self.test.images))

    def seen_by(self, metric: Metric) -> Evidence:
        """Return the reference as a metric asks for it."""
        held_out = self.held_out if "held out" in metric.needs else None
        return replace(self.reference, held_out=held_out)

    def look(
        self, images: Tensor, labels: Tensor, metrics: Sequence[Metric], *, say: Say = quiet
    ) -> Evidence:
        """Return what these metrics see of images (N, C, H, W) uint8 and their labels (N,)."""
        judge = self.judge if any("judge" in metric.needs for metric in metrics) else None
        return evidence_of(images, labels, self.extractor, judge, say=say)

    def question(
        self,
        metrics: Sequence[Metric],
        profile: Profile,
        *,
        bn: Bn = "running",
        raw: bool = False,
        truncation: float | None = None,
    ) -> Question:
        """Return what is asked of a run that learned from this dataset."""
        return Question(
            Protocol.of(self.about, samples=profile.samples, extractor=self.extractor.id),
            tuple(Wanted(m.name, definition(m, self.judge), m.higher_is_better) for m in metrics),
            seeds=profile.seeds,
            bn=bn,
            raw=raw,
            truncation=truncation,
        )


def ruler_for(
    dataset: Dataset,
    about: Mapping[str, Any],
    plugins: Plugins,
    *,
    extractor: Extractor | None = None,
    profile: Profile | None = None,
    root: Path | None = None,
    device: torch.device | None = None,
    say: Say = quiet,
) -> Ruler:
    """Return what measures images of a dataset, or raise what is missing, saying what to do."""
    net = _extractor(about, plugins, extractor, published=bool(profile and profile.published))
    judge = _judge(about, plugins, extractor)
    if judge is not None and judge.class_names != tuple(about["class_names"]):
        log.warning(
            "%s tells %s; the classes here are %s: there is no judge",
            judge.id,
            ", ".join(judge.class_names),
            ", ".join(about["class_names"]),
        )
        judge = None
    for network in (net, judge):
        if network is not None:
            network.to(device or torch.device("cpu"))
    return Ruler(dataset, about, net, judge, root, say)


def metrics_for(
    plugins: Plugins, named: Sequence[Metric], profile: Profile, ruler: Ruler
) -> list[Metric]:
    """Return the metrics to compute: the named ones, or the profile's, and the companions.

    Raises `DataError` if a named one is named twice, needs more images than there are, or a judge
    that is not there. Of the others, those are left out, with a warning, that cannot be computed;
    one must be left.
    """
    samples = ruler.question([], profile).protocol.samples
    names = [metric.name for metric in named]
    for metric in named:
        if names.count(metric.name) > 1:
            raise DataError(f"{metric.name} is asked for twice: a board has one column for it")
        if reason := _impossible(metric, samples, ruler):
            raise DataError(reason)
    known = [owner.component for owner in plugins.registered(Metric.kind)]
    offered = [c for c in known if issubclass(c, Metric) and c.name not in names]
    level = LEVELS.index(profile.level)
    placed = [
        (c.default, c)
        for c in offered
        if c.default is not None and LEVELS.index(c.level) <= level and not named
    ]
    more = [c for _, c in sorted(placed, key=lambda pair: pair[0])]
    more += [c for c in offered if c.companion and c not in more]
    others = [component() for component in more]
    reasons = {metric.name: _impossible(metric, samples, ruler) for metric in others}
    found = [*named, *(metric for metric in others if reasons[metric.name] is None)]
    if not found:
        raise DataError("\n  ".join(["no metric can be computed", *map(str, reasons.values())]))
    for reason in filter(None, reasons.values()):
        log.warning("left out: %s", reason)
    return found


def _impossible(metric: Metric, samples: int, ruler: Ruler) -> str | None:
    if samples < metric.minimum:
        more = "; --samples asks for more" if ruler.about["images"] >= metric.minimum else ""
        return (
            f"{metric.name} needs at least {metric.minimum:,} images, generated and real: "
            f"here are {samples:,}{more}"
        )
    if "judge" in metric.needs and ruler.judge is None:
        name = ruler.about["name"]
        return (
            f"{metric.name} needs a network that tells the classes of '{name}', and there is none: "
            f"make one with ganlab extractor train {name}"
        )
    if "logits" in metric.needs and not ruler.extractor.has_logits:
        return (
            f"{metric.name} needs an extractor that classifies, and {ruler.extractor.id} does not"
        )
    return None


def _extractor(
    about: Mapping[str, Any], plugins: Plugins, named: Extractor | None, *, published: bool
) -> ExtractorNet:
    """Load the extractor that was named, or the first in line whose weights can be had."""
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


def _judge(
    about: Mapping[str, Any], plugins: Plugins, named: Extractor | None
) -> ExtractorNet | None:
    """Load the judge of the extractor that was named, else of the first in line that has one."""
    line = _in_line(plugins, about["channels"], published=False)
    for candidate in [named, *line] if named else line:
        judge = candidate.judge(about["name"], about["channels"])
        if judge is not None:
            return judge
    return None


def _in_line(plugins: Plugins, channels: int, *, published: bool) -> list[Extractor]:
    found = [owner.component for owner in plugins.registered(Extractor.kind)]
    offered = [c for c in found if issubclass(c, Extractor)]
    if published:
        return [c() for c in offered if c.published]
    placed = [(c.place(channels), c) for c in offered]
    line = sorted(((p, c) for p, c in placed if p is not None), key=lambda pair: pair[0])
    return [component() for _, component in line]
