"""One iteration: D is updated ``d_steps`` times, then G once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import reduce
from typing import Any

import torch
from torch import Tensor

from ganlab.config.experiment import Train
from ganlab.objective import objective
from ganlab.run_directory import Progress
from ganlab.step import Step
from ganlab.training.model import Model
from ganlab.training.processes import average_gradients
from ganlab.types import Batch, Role

Scalars = dict[str, Tensor]
"""Detached 0-d tensors on the device, by name. Reading one waits for the device."""


def iterate(
    model: Model,
    reals: Sequence[Batch],
    at: Progress,
    options: Train,
    *,
    draw_labels: Callable[[int], Tensor],
) -> Scalars:
    """Run one iteration from the progress ``at``, and return the scalars to log.

    ``reals`` holds the ``d_steps`` real batches. ``draw_labels(n)`` returns n labels with the
    distribution of the dataset.
    """
    scalars: Scalars = {}
    if model.choices.compile == "graphs":  # frees the outputs of the last iteration
        torch.compiler.cudagraph_mark_step_begin()
    for i, real in enumerate(reals):
        parts = _split(real, options.accumulate)
        # G's graph is needed only if the G step reuses these images.
        for_g = options.same_fakes and len(parts) == 1 and i == len(reals) - 1
        fakes = [draw(model, part, options, draw_labels, gradient=for_g) for part in parts]
        pairs = zip(parts, fakes, strict=True)
        scalars |= update(model, "discriminator", pairs, at, index=at.batches + i)
    # Lazily, so that the graph of one part is freed before the next part is generated.
    again = (
        draw(model, part, options, draw_labels, gradient=True, like=fake)
        for part, fake in zip(parts, fakes, strict=True)
    )
    pairs = zip(parts, fakes if for_g else again, strict=True)
    return scalars | update(model, "generator", pairs, at, index=at.steps)


def draw(
    model: Model,
    real: Batch,
    options: Train,
    draw_labels: Callable[[int], Tensor],
    *,
    gradient: bool,
    like: Batch | None = None,
) -> Batch:
    """Return a generated batch; with ``same_fakes``, reuse the noise and the labels of ``like``."""
    n = len(real.x)
    step = _step(model, "generator" if gradient else "discriminator", real, real)
    if like is not None and options.same_fakes:
        assert like.z is not None
        return Batch(step.generate(like.z, like.y), like.y, like.z)
    if options.fake_labels == "real":
        y = real.y
    else:
        y = draw_labels(n) if options.fake_labels == "empirical" else step.labels(n)
    z = step.randn(n, options.z_dim)
    return Batch(step.generate(z, y), y, z)


def update(
    model: Model, role: Role, pairs: Iterable[tuple[Batch, Batch]], at: Progress, *, index: int
) -> Scalars:
    """Update one network by one optimizer step; the other network does not change.

    ``pairs`` holds the real and the generated images of each part of the batch. All parts have the
    same size, and their gradients are averaged.
    """
    for parameter in model.D.parameters():
        parameter.requires_grad_(role == "discriminator" and parameter not in model.frozen)
    optimizer = model.optimizers[role]
    optimizer.zero_grad(set_to_none=True)
    steps, scalars = [], []
    for real, fake in pairs:
        step = _step(model, role, real, fake, index=index, images=at.images)
        terms = objective(discriminate(step, model), model.components)
        total = reduce(torch.add, terms.values())
        total.backward()
        scalars.append(_scalars(step, terms, total))
        model.owners |= {f"{role[0]}/{name}": owner for name, owner in step.owners.items()}
        steps.append(step)
    with torch.no_grad():
        if len(steps) > 1:
            gradients = [p.grad for group in optimizer.param_groups for p in group["params"]]
            torch._foreach_div_([g for g in gradients if g is not None], len(steps))
        average_gradients(optimizer)
        model.set_rate(role, images=at.images)
        optimizer.step()
        step = _joined(steps)
        for part in model.components:
            part.component.after_step(step, part.state)
    logged = {f"{role[0]}/{name}": value for name, value in step.logged.items()}
    return _mean(scalars) | logged


def discriminate(step: Step, model: Model) -> Step:
    """Compute D's output for both batches, after the components have changed the real one."""
    if step.role == "discriminator":
        step.fake = replace(step.fake, x=step.fake.x.detach())
        for part in model.components:
            step.real = part.component.real_batch(step, part.state)
    if step.role == "discriminator" or model.loss.real_in_g:
        step.real = replace(step.real, d_output=step.discriminate(step.real.x, step.real.y))
    step.fake = replace(step.fake, d_output=step.discriminate(step.fake.x, step.fake.y))
    return step


# ------------------------------------------------------------------------ parts of a batch


def _split(batch: Batch, count: int) -> list[Batch]:
    return [Batch(x, y) for x, y in zip(batch.x.chunk(count), batch.y.chunk(count), strict=True)]


def _joined(steps: Sequence[Step]) -> Step:
    """Return the step of the whole batch, without gradients, for `after_step`."""
    if len(steps) == 1:
        return steps[0]
    real, fake = (_join([getattr(step, batch) for step in steps]) for batch in ("real", "fake"))
    logged = {name: _join([step.logged[name] for step in steps]) for name in steps[0].logged}
    return replace(steps[-1], real=real, fake=fake, logged=logged)


def _join(parts: Sequence[Any]) -> Any:
    """Concatenate tensors along the batch, also in containers; average 0-d tensors."""
    first = parts[0]
    if isinstance(first, Tensor):
        detached = [part.detach() for part in parts]
        return torch.cat(detached) if first.dim() else torch.stack(detached).mean()
    if isinstance(first, Batch):
        names = ("x", "y", "z", "d_output")
        return Batch(*(_join([getattr(part, name) for part in parts]) for name in names))
    if isinstance(first, dict):
        return type(first)({key: _join([part[key] for part in parts]) for key in first})
    if isinstance(first, tuple | list):
        joined = map(_join, zip(*parts, strict=True))
        return type(first)(*joined) if hasattr(first, "_fields") else type(first)(joined)
    return first


def _mean(parts: Sequence[Scalars]) -> Scalars:
    if len(parts) == 1:
        return parts[0]
    return {name: torch.stack([part[name] for part in parts]).mean() for name in parts[0]}


def _step(
    model: Model, role: Role, real: Batch, fake: Batch, *, index: int = 0, images: int = 0
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
        components=model.components,
        images=images,
        autocast=model.choices.autocast,
        compiled=model.compiled,
    )


@torch.no_grad()
def _scalars(step: Step, terms: Scalars, total: Tensor) -> Scalars:
    """Return the scalars to log: the loss, D's mean output, and the terms if there are several."""
    fake = step.loss.logged_output(step.fake.output.logit.detach()).mean()
    short = step.role[0]
    scalars = {f"loss_{short}": total.detach()}
    if step.role == "discriminator":
        scalars["d_real"] = step.loss.logged_output(step.real.output.logit.detach()).mean()
        scalars["d_fake_before"] = fake
    else:
        scalars["d_fake_after"] = fake
    if len(terms) > 1:
        scalars |= {f"{short}/{name}": value.detach() for name, value in terms.items()}
    return scalars
