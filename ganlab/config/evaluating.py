"""The ``eval`` section of an experiment: scores during training."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from pydantic import PositiveInt

from ganlab.config.blocks import Builder, Built
from ganlab.config.intervals import Every
from ganlab.config.naming import unknown_option
from ganlab.config.tree import Node, describe_value
from ganlab.config.validate import validate_options
from ganlab.metrics import Extractor, Metric
from ganlab.options import Component, Options


class Eval(Options):
    """Scores during training. They do not affect training; the best weights are kept."""

    every: Every = None
    """How often the generator is scored, such as ``2 epochs``. Null or ``never``: not at all."""

    profile: Literal["quick", "standard", "full"] = "quick"
    """Evaluation profile, which sets the sample size and the number of repetitions. ``quick`` shows
    trends; use ``standard`` or ``full`` for results to report. See docs/evaluation.md."""

    samples: PositiveInt | None = None
    """Number of generated images to score. Null: the number of the profile."""


@dataclass(frozen=True)
class Evaluation:
    """The ``eval`` section and its components."""

    options: Eval = field(default_factory=Eval)
    metrics: tuple[Metric, ...] = ()
    """Metrics to compute; empty means those of the profile. The first metric that has a direction
    (`Metric.higher_is_better` is not None) decides which weights are the best."""

    extractor: Extractor | None = None
    """Feature extractor; None means the default extractor for the dataset."""

    def components(self) -> list[Component]:
        """Return every component of the section."""
        return [*self.metrics, *([self.extractor] if self.extractor else [])]


@dataclass(frozen=True)
class ReadEvaluation:
    """The section and the blocks that its components were built from."""

    evaluation: Evaluation
    node: Node


def read_evaluation(builder: Builder, node: Node | None) -> ReadEvaluation:
    """Read the section and append its problems to ``builder.problems``."""
    node = node or Node({}, "eval")
    if not isinstance(node.value, dict):
        what = f"expected a block of options, got {describe_value(node.value)}"
        builder.problems.append(node.problem(what))
        return ReadEvaluation(Evaluation(), node)
    known = (*Eval.model_fields, "metrics", "extractor")
    for key, child in node.value.items():
        if key not in known:
            builder.problems.append(child.problem(unknown_option("eval", key, known)))
    others = tuple(node.value.keys() - Eval.model_fields.keys())
    options = validate_options(Eval, node, "eval", builder.problems, ignore=others)
    metrics = builder.build_list(Metric, node.child("metrics"))
    names = [built.component.name for built in metrics]
    for i, built in enumerate(metrics):
        if built.component.name in names[:i]:
            builder.problems.append(built.node.problem(f"'{names[i]}' is named twice"))
    written = node.child("extractor")
    extractor = builder.build_one(Extractor, written) if written is not None else None
    evaluation = Evaluation(
        options or Eval(),
        tuple(built.component for built in metrics),
        extractor.component if extractor else None,
    )
    return ReadEvaluation(evaluation, _with_blocks(node, metrics, extractor))


def _with_blocks(
    node: Node, metrics: list[Built[Metric]], extractor: Built[Extractor] | None
) -> Node:
    """Return the section with component names expanded to blocks, so every option has an origin."""
    blocks = {"metrics": Node([built.node for built in metrics], "eval.metrics")}
    if extractor is not None:
        blocks["extractor"] = extractor.node
    return replace(node, value={**node.value, **blocks})
