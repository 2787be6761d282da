"""One iteration: D is updated ``d_steps`` times, then G once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import reduce

import torch
from torch import Tensor

from ganlab.config.experiment import Train
from ganlab.runs import Progress
from ganlab.step import Role, Side, Step, objective
from ganlab.training.model import Model

Scalars = dict[str, Tensor]
"""Detached 0-d tensors on the device, by name. Reading one waits for the device."""


def iterate(
    model: Model,
    reals: Sequence[Side],
    at: Progress,
    options: Train,
    *,
    draw_labels: Callable[[int], Tensor],
) -> Scalars:
    """Do one iteration from ``at`` on ``d_steps`` real batches and return its numbers.

    ``draw_labels`` returns so many labels as they are distributed in the dataset.
    """
    scalars: Scalars = {}
    for i, real in enumerate(reals):
        # Only images that G learns from need its gradient.
        for_g = options.same_fakes and i == len(reals) - 1
        fake = draw(model, real, options, draw_labels, gradient=for_g)
        scalars |= update(model, "discriminator", real, fake, at, index=at.batches + i)
    if not options.same_fakes:
        fake = draw(model, real, options, draw_labels, gradient=True)
    scalars |= update(model, "generator", real, fake, at, index=at.steps)
    return scalars


def draw(
    model: Model,
    real: Side,
    options: Train,
    draw_labels: Callable[[int], Tensor],
    *,
    gradient: bool,
) -> Side:
    """Draw noise and labels, and G's images of them."""
    n = len(real.x)
    step = _step(model, "generator" if gradient else "discriminator", real, real)
    if options.fake_labels == "real":
        y = real.y
    else:
        y = draw_labels(n) if options.fake_labels == "empirical" else step.labels(n)
    z = step.randn(n, options.z_dim)
    return Side(step.generate(z, y), y, z)


def update(
    model: Model, role: Role, real: Side, fake: Side, at: Progress, *, index: int
) -> Scalars:
    """Move one network by one optimizer step; the other one is left as it is."""
    for parameter in model.D.parameters():
        parameter.requires_grad_(role == "discriminator" and parameter not in model.frozen)
    step = _step(model, role, real, fake, index=index, images=at.images)
    if role == "discriminator":
        step.fake = replace(fake, x=fake.x.detach())
        for part in model.participants:
            step.real = part.component.as_real(step, part.state)
    if role == "discriminator" or model.loss.real_in_g:
        step.real = replace(step.real, verdict=step.judge(step.real.x, step.real.y))
    step.fake = replace(step.fake, verdict=step.judge(step.fake.x, step.fake.y))

    terms = objective(step)
    total = reduce(torch.add, terms.values())
    optimizer = model.optimizers[role]
    optimizer.zero_grad(set_to_none=True)
    total.backward()
    optimizer.step()
    with torch.no_grad():
        for part in model.participants:
            part.component.after_step(step, part.state)
    return _scalars(step, terms, total)


def _step(
    model: Model, role: Role, real: Side, fake: Side, *, index: int = 0, images: int = 0
) -> Step:
    return Step(
        role=role,
        index=index,
        real=real,
        fake=fake,
        G=model.G,
        D=model.D,
        loss=model.loss,
        spec=model.spec,
        participants=model.participants,
        images=images,
        autocast=model.choices.autocast,
    )


@torch.no_grad()
def _scalars(step: Step, terms: Scalars, total: Tensor) -> Scalars:
    """Return what the log shows: the loss, what D says on average, and the terms if several."""
    fake = step.loss.shown(step.fake.judged.logit.detach()).mean()
    short = step.role[0]
    scalars = {f"loss_{short}": total.detach()}
    if step.role == "discriminator":
        scalars["d_real"] = step.loss.shown(step.real.judged.logit.detach()).mean()
        scalars["d_fake_before"] = fake
    else:
        scalars["d_fake_after"] = fake
    if len(terms) > 1:
        scalars |= {f"{short}/{name}": value.detach() for name, value in terms.items()}
    return scalars | {f"{short}/{name}": value for name, value in step.logged.items()}
