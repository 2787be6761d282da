"""The objective that one update minimises, in one function."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from torch import Tensor

from ganlab.components import BoundComponent
from ganlab.errors import PluginError
from ganlab.step import Step


def objective(step: Step, components: Sequence[BoundComponent]) -> dict[str, Tensor]:
    """Return the named scalar terms whose sum the network of ``step.role`` minimises.

    This is the whole of what is minimised: the loss of ``step.loss`` per example, wrapped or
    replaced by whoever takes part, and the terms that they add.
    """
    adversarial = partial(_plain, step)
    # Whoever replaces the loss is what the others wrap, wherever the experiment names it.
    for part in sorted(components, key=lambda p: not p.component.replaces_loss):
        adversarial = partial(part.component.adversarial, step, adversarial, part.state)
    terms = {"adversarial": _per_example(adversarial(), step).mean()}
    for part in components:
        every = part.component.interval()
        if step.index % every:
            continue
        new = (
            part.component.d_terms(step, part.state)
            if step.role == "discriminator"
            else part.component.g_terms(step, part.state)
        )
        for name, value in new.items():
            if value.dim():
                expected = f"the term '{name}' must be a scalar, got shape {tuple(value.shape)}"
                raise PluginError(f"{part.key}: {expected}")
            # What is computed at every k-th step counts k times, so that k changes no balance.
            scaled = every * value if every > 1 else value
            unique = f"{part.key}.{name}" if name in terms else name
            terms[unique] = scaled
            step.owners[unique] = part.key
    return terms


def _per_example(loss: Tensor, step: Step) -> Tensor:
    if loss.shape != step.fake.output.logit.shape:
        got = f"got shape {tuple(loss.shape)} for a batch of {len(step.fake.x)}"
        raise PluginError(f"the adversarial loss must be one number per example: {got}")
    return loss


def _plain(step: Step) -> Tensor:
    """The adversarial loss per example, (N,)."""
    if step.role == "discriminator":
        return step.loss.d(step.real.output.logit, step.fake.output.logit)
    real = step.real.output.logit if step.loss.real_in_g else None
    return step.loss.g(step.fake.output.logit, real)
