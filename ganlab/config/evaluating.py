"""The ``eval`` section: scores during training."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from pydantic import PositiveInt

from ganlab.config.blocks import Builder, Built
from ganlab.config.intervals import Every
from ganlab.config.naming import unknown_option
from ganlab.config.tree import Node, shown
from ganlab.config.validate import check
from ganlab.metrics import Extractor, Metric
from ganlab.options import Component, Options


class Eval(Options):
    """Scores during training. They change nothing that is learned; the best weights are kept."""

    every: Every = None
    """How often the generator is scored; never by default."""

    profile: Literal["quick", "standard", "full"] = "quick"
    """How much a score is based on: see docs/evaluation.md."""

    samples: PositiveInt | None = None
    """Generated images, instead of the profile's number."""


@dataclass(frozen=True)
class Evaluation:
    """The section, with the components that it names."""

    options: Eval = field(default_factory=Eval)
    metrics: tuple[Metric, ...] = ()
    """The first one with a direction says which weights are the best; by default the profile's."""

    extractor: Extractor | None = None
    """By default the first in line for the dataset."""

    def components(self) -> list[Component]:
        """Return every component that the section names."""
        return [*self.metrics, *([self.extractor] if self.extractor else [])]


@dataclass(frozen=True)
class ReadEvaluation:
    """The section and the blocks that its components were made from."""

    evaluation: Evaluation
    node: Node


def read_evaluation(builder: Builder, node: Node | None) -> ReadEvaluation:
    """Return what the section says, noting what is wrong with it."""
    node = node or Node({}, "eval")
    if not isinstance(node.value, dict):
        what = f"expected a block of options, got {shown(node.value)}"
        builder.problems.append(node.problem(what))
        return ReadEvaluation(Evaluation(), node)
    known = (*Eval.model_fields, "metrics", "extractor")
    for key, child in node.value.items():
        if key not in known:
            builder.problems.append(child.problem(unknown_option("eval", key, known)))
    others = tuple(node.value.keys() - Eval.model_fields.keys())
    options = check(Eval, node, "eval", builder.problems, without=others)
    metrics = builder.many(Metric, node.child("metrics"))
    names = [built.component.name for built in metrics]
    for i, built in enumerate(metrics):
        if built.component.name in names[:i]:
            builder.problems.append(built.node.problem(f"'{names[i]}' is named twice"))
    written = node.child("extractor")
    extractor = builder.one(Extractor, written) if written is not None else None
    evaluation = Evaluation(
        options or Eval(),
        tuple(built.component for built in metrics),
        extractor.component if extractor else None,
    )
    return ReadEvaluation(evaluation, _with_blocks(node, metrics, extractor))


def _with_blocks(
    node: Node, metrics: list[Built[Metric]], extractor: Built[Extractor] | None
) -> Node:
    """Return the section with names written as blocks, so that every option has an origin."""
    blocks = {"metrics": Node([built.node for built in metrics], "eval.metrics")}
    if extractor is not None:
        blocks["extractor"] = extractor.node
    return replace(node, value={**node.value, **blocks})
