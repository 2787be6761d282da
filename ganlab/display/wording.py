"""Events in words, the same on a terminal, in a log file and in a notebook."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ganlab.durations import duration
from ganlab.events import (
    Detail,
    Event,
    Message,
    PhaseStarted,
    Progressed,
    RunPlanned,
    RunResumed,
    ScoringStarted,
)


def printed(event: Event) -> list[str]:
    """Return the lines that a terminal and a log file both print for an event, often none."""
    match event:
        case RunPlanned():
            return fact_lines(event.facts)
        case RunResumed():
            return [f"going on       from step {event.steps:,}, epoch {event.epochs:.2f}"]
        case ScoringStarted():
            return [event.run]
        case Message():
            return [event.text]
        case Detail():
            return [f"  {event.text}"]
    return []


def fact_lines(facts: Mapping[str, str]) -> list[str]:
    """Return a line for each fact about a planned run: ``loss           bce``."""
    return [f"{name:<15}{fact}" for name, fact in facts.items()]


def position(plan: RunPlanned, at: Progressed) -> str:
    """Return ``[epoch/epochs][iteration/iterations]``, both counted from 1."""
    size, batch = plan.dataset_images, plan.batch_size
    images, steps = plan.budget.get("images"), plan.budget.get("steps")
    if images is None and steps is not None:
        images = steps * plan.images_per_step
    epochs = math.ceil(images / size) if images is not None else 0
    epoch = max(1, math.ceil(at.epochs))
    epoch = min(epoch, epochs) if epochs else epoch  # the last batch may go over the last epoch
    iterations = math.ceil(size / batch)
    iteration = min(iterations, math.ceil((at.images - (epoch - 1) * size) / batch))
    return f"[{epoch}{f'/{epochs}' if epochs else ''}][{iteration}/{iterations}]"


def numbers(record: Mapping[str, Any]) -> str:
    """Return the numbers of a log interval: losses, D's outputs, speed."""
    return (
        f"Loss_D: {record['loss_d']:.4f} Loss_G: {record['loss_g']:.4f} "
        f"D(x): {record['d_real']:.4f} "
        f"D(G(z)): {record['d_fake_before']:.4f} / {record['d_fake_after']:.4f}  "
        f"{record['images_per_second']:,.0f} img/s"
    )


def score_line(scores: Mapping[str, float]) -> str:
    """Return the scores of the present weights, without details such as ``ifid_worst``."""
    return "  ".join(
        f"{name}: {value:.4g}"
        for name, value in scores.items()
        if not any(name.startswith(f"{other}_") for other in scores)
    )


def phase_line(phases: Sequence[tuple[PhaseStarted, int]], left: float | None) -> str:
    """Return ``scoring fid: generating: 4,000 of 10,000 images, about 2m 05s left``.

    ``phases`` are those under way, the outermost first, each with the number of units done.
    """
    parts = []
    for phase, done in phases:
        parts.append(phase.name)
        if phase.total:
            parts.append(f"{done:,} of {phase.total:,} {phase.unit}".rstrip())
    return ": ".join(parts) + time_left(left)


def sweep_line(finished: int, total: int, left: float | None) -> str:
    """Return ``2 of 4 finished, about 6m 10s left``."""
    return f"{finished} of {total} finished{time_left(left)}"


def time_left(seconds: float | None) -> str:
    """Return ``, about 6m 10s left``; empty if it is unknown."""
    return "" if seconds is None else f", about {duration(seconds)} left"
