"""The objective of one update of D or G, in one function."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from torch import Tensor

from ganlab.components import BoundComponent
from ganlab.errors import PluginError
from ganlab.step import Step


def objective(step: Step, components: Sequence[BoundComponent]) -> dict[str, Tensor]:
    """Return the terms whose sum the network of ``step.role`` minimises: 0-d tensors by name.

    The term ``adversarial`` is the mean of ``step.loss`` over the batch, after the components have
    changed or replaced it. The other terms come from ``d_terms`` or ``g_terms`` of the components.
    Raises `PluginError` if a loss or a term has the wrong shape.
    """
    adversarial = partial(_plain, step)
    # Components that replace the loss are applied first; the others wrap the result, regardless
    # of their order in the experiment.
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
            # Lazy terms are multiplied by their interval, so that it does not change their weight.
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
    """Return the adversarial loss per example, (N,), without any component."""
    if step.role == "discriminator":
        return step.loss.d(step.real.output.logit, step.fake.output.logit)
    real = step.real.output.logit if step.loss.real_in_g else None
    return step.loss.g(step.fake.output.logit, real)
