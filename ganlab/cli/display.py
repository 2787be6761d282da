"""What ``ganlab run`` shows: a live display on a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click

from ganlab.runs import Progress, RunDirectory
from ganlab.training.model import parameter_count
from ganlab.training.observers import Display, Record
from ganlab.training.session import Plan

BRIEF_SECONDS = 60


def plan_lines(plan: Plan) -> Iterator[str]:
    """Say what is about to happen, a fact a line."""
    experiment, spec, choices = plan.experiment, plan.data.spec, plan.model.choices
    schemes = ", ".join(_scheme(scheme) for scheme in experiment.conditioning) or "-"
    counts = {
        role: parameter_count(network.parameters()) for role, network in plan.model.networks.items()
    }
    instead = f", instead of {plan.asked}" if plan.asked != plan.data.source else ""
    yield f"run            {plan.folder}"
    yield (
        f"dataset        {plan.data.source}{instead}: {len(plan.data.images):,} images, "
        f"{spec.channels} x {spec.image_size} x {spec.image_size}, {spec.num_classes} classes, "
        f"{plan.batches.placement}"
    )
    yield f"conditioning   {schemes}"
    yield f"generator      {experiment.generator.name}, {counts['generator']:,} parameters"
    yield f"discriminator  {experiment.discriminator.name}, {counts['discriminator']:,} parameters"
    extras = [part.name for part in (*experiment.regularizers, *experiment.augmentations)]
    yield f"loss           {', '.join([experiment.loss.name, *extras])}"
    yield f"computing      {choices.in_words()}"
    yield f"budget         {_budget(plan)}"


def make_display(run: RunDirectory, plan: Plan, *, brief: bool = False) -> Display:
    """Return the live display where somebody can see it, else plain lines, or ``brief`` ones."""
    if run.progress.steps:
        click.echo(going_on(run), err=True)
    if sys.stderr.isatty():
        from ganlab.cli.live import LiveDisplay

        return LiveDisplay(run, plan)
    return BriefDisplay(run, plan) if brief else PlainDisplay(run, plan)


def going_on(run: RunDirectory) -> str:
    """Say where a run goes on from."""
    return f"going on       from step {run.progress.steps:,}, epoch {run.progress.epochs:.2f}"


class PlainDisplay:
    """A line each log interval, in the manner of the DCGAN tutorial."""

    def __init__(self, run: RunDirectory, plan: Plan) -> None:
        self.run = run
        self.plan = plan

    def __enter__(self) -> PlainDisplay:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def log(self, record: Record) -> None:
        click.echo(f"{position(self.plan, self.run.progress)} {numbers(record)}", err=True)

    def sample(self, path: Path) -> None:
        click.echo(f"drew {path}", err=True)

    def scores(self, scores: Record) -> None:
        click.echo(f"scored {score_line(scores)}", err=True)


class BriefDisplay(PlainDisplay):
    """Scores, the last numbers, and before them a line a minute: for many runs in a row."""

    def __init__(self, run: RunDirectory, plan: Plan) -> None:
        super().__init__(run, plan)
        self.record: Record | None = None
        self.shown = time.monotonic()

    def __exit__(self, *_: object) -> None:
        if self.record is not None:
            super().log(self.record)

    def log(self, record: Record) -> None:
        self.record = record
        if time.monotonic() - self.shown > BRIEF_SECONDS:
            super().log(record)
            self.record, self.shown = None, time.monotonic()

    def sample(self, path: Path) -> None:
        pass


def position(plan: Plan, at: Progress) -> str:
    """``[epoch/epochs][iteration/iterations]``: the epoch and the iteration in it, from 1."""
    size, batch = plan.batches.size, plan.experiment.train.batch_size
    budget = plan.budget.images
    if math.isinf(budget):
        budget = plan.budget.steps * batch * plan.experiment.train.d_steps
    epochs = math.ceil(budget / size) if math.isfinite(budget) else 0
    epoch = max(1, math.ceil(at.epochs))
    epoch = min(epoch, epochs) if epochs else epoch  # the last batch may go over the last epoch
    iterations = math.ceil(size / batch)
    iteration = min(iterations, math.ceil((at.images - (epoch - 1) * size) / batch))
    return f"[{epoch}{f'/{epochs}' if epochs else ''}][{iteration}/{iterations}]"


def numbers(record: Record) -> str:
    """The numbers of a log interval: losses, what D says, speed."""
    return (
        f"Loss_D: {record['loss_d']:.4f} Loss_G: {record['loss_g']:.4f} "
        f"D(x): {record['d_real']:.4f} "
        f"D(G(z)): {record['d_fake_before']:.4f} / {record['d_fake_after']:.4f}  "
        f"{record['images_per_second']:,.0f} img/s"
    )


def score_line(scores: Record) -> str:
    """The scores of the present weights, without details such as ``ifid_worst`` beside ``ifid``."""
    return "  ".join(
        f"{name}: {value:.4g}"
        for name, value in scores.items()
        if not any(name.startswith(f"{other}_") for other in scores)
    )


def remaining_seconds(plan: Plan, at: Progress) -> float:
    """Return how long the rest of the budget takes at the speed so far."""
    share = plan.budget.share(at)
    return at.seconds * (1 / share - 1) if 0 < share < 1 else 0.0


def duration(seconds: float) -> str:
    """``2m 05s``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h {minutes:02d}m"
    return f"{minutes}m {rest:02d}s" if minutes else f"{rest}s"


def _scheme(scheme: object) -> str:
    from ganlab.config.experiment import Scheme

    assert isinstance(scheme, Scheme)
    where = "" if len(scheme.roles) == 2 else f" ({scheme.roles[0]})"
    return f"{scheme.component.name}{where}"


def _budget(plan: Plan) -> str:
    parts = []
    if math.isfinite(plan.budget.images):
        epochs = plan.budget.images / plan.batches.size
        parts.append(f"{plan.budget.images:,.0f} images ({epochs:.4g} epochs)")
    if math.isfinite(plan.budget.steps):
        parts.append(f"{plan.budget.steps:,.0f} steps")
    if math.isfinite(plan.budget.seconds):
        parts.append(duration(plan.budget.seconds))
    return ", or ".join(parts)
