"""Checks of losses: shapes, large logits, and the direction of the gradients."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ganlab.components import Loss
from ganlab.seeds import seeded
from ganlab.testing.harness import CPU
from ganlab.testing.report import Findings
from ganlab.testing.tensors import SEED, finite, shape

LARGE = 1e4
BATCHES = (1, 2, 5)


def check_loss(found: Findings, loss: Loss) -> None:
    """Check shapes, large logits, and that gradients move each network in the right direction."""
    of_g = loss.real_in_g
    calls: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
        "d()": loss.d,
        "g()": lambda real, fake: loss.g(fake, real if of_g else None),
    }
    with found.group("shapes", "one number for each of 1, 2 and 5 images"):
        for where, call in calls.items():
            for n in BATCHES:
                with found.guarded(where, f"{n} logits"), seeded(SEED, CPU):
                    out = call(torch.randn(n), torch.randn(n))
                    fits = isinstance(out, Tensor) and tuple(out.shape) == (n,)
                    found.expect(fits, where, f"shape {(n,)} for {n} logits", shape(out))
        with found.guarded("logged_output()"), seeded(SEED, CPU):
            out = loss.logged_output(torch.randn(5))
            fits = isinstance(out, Tensor) and tuple(out.shape) == (5,)
            found.expect(fits, "logged_output()", "shape (5,) for 5 logits", shape(out))
    with found.group("large logits", f"finite values and gradients at ±{LARGE:g}"):
        for where, call in calls.items():
            if _failed_before(found, where):
                continue
            for real, fake in ((LARGE, -LARGE), (-LARGE, LARGE)):
                out, *gradients = _values_and_gradients(call, real, fake)
                case = f"logits {real:g} of real and {fake:g} of generated images"
                good = finite([out, *gradients])
                found.expect(good, where, f"finite numbers at {case}", "some that are not")
    with found.group("direction", "each gradient improves its network"):
        _check_direction(found, calls)


def _check_direction(found: Findings, calls: dict[str, Callable[[Tensor, Tensor], Tensor]]) -> None:
    # Not at logit 0, where the gradient of some least-squares losses is zero.
    wrong_d, wrong_g = (-0.5, 0.5), (0.5, -0.5)
    wanted = [
        ("d()", wrong_d, 0, -1, "D to gain when the logit of a real image rises"),
        ("d()", wrong_d, 1, +1, "D to gain when the logit of a generated image falls"),
        ("g()", wrong_g, 1, -1, "G to gain when the logit of a generated image rises"),
    ]
    for where, (real, fake), which, sign, claim in wanted:
        if _failed_before(found, where):
            continue
        gradient = _values_and_gradients(calls[where], real, fake)[1 + which]
        value = 0.0 if gradient is None else gradient.mean().item()
        at = real if which == 0 else fake
        found.expect(value * sign > 0, where, claim, f"slope {value:.3g} at {at:g}")


def _failed_before(found: Findings, where: str) -> bool:
    """Return whether a method failed before, and note in the group that it is skipped."""
    if where not in found.broken or where in [f.where for f in found.groups[-1].failures]:
        return False
    note = f"; skipped: {where}"
    if note not in found.groups[-1].note:
        found.groups[-1].note += note
    return True


def _values_and_gradients(
    call: Callable[[Tensor, Tensor], Tensor], real: float, fake: float
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Return the loss (2,), and its gradients with respect to real and generated logits."""
    logits = [torch.full((2,), value, requires_grad=True) for value in (real, fake)]
    out = call(*logits)
    if out.requires_grad:
        out.sum().backward()
    return out.detach(), logits[0].grad, logits[1].grad
