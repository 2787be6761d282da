"""Losses and augmentations by themselves: their values, their slopes."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ganlab.components import Augmentation, Loss
from ganlab.seeds import seeded
from ganlab.testing.bench import CPU, bench, experiment_of, spec_of, step_of
from ganlab.testing.report import ABOVE, Findings
from ganlab.testing.tensors import SEED, difference, finite, shape

LARGE = 1e4
BATCHES = (1, 2, 5)


def check_loss(found: Findings, loss: Loss) -> None:
    """Try shapes, large logits, and that each network is driven the right way."""
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
    with found.group("large logits", f"finite values and slopes at ±{LARGE:g}"):
        for where, call in calls.items():
            if _lost(found, where):
                continue
            for real, fake in ((LARGE, -LARGE), (-LARGE, LARGE)):
                out, *slopes = _slopes(call, real, fake)
                case = f"logits {real:g} of real and {fake:g} of generated images"
                good = finite([out, *slopes])
                found.expect(good, where, f"finite numbers at {case}", "some that are not")
    with found.group("direction", "what each network gains by"):
        _check_direction(found, calls)


def _check_direction(found: Findings, calls: dict[str, Callable[[Tensor, Tensor], Tensor]]) -> None:
    # Not at 0: there least squares are content with a generated image.
    wrong_d, wrong_g = (-0.5, 0.5), (0.5, -0.5)
    wanted = [
        ("d()", wrong_d, 0, -1, "D to gain when the logit of a real image rises"),
        ("d()", wrong_d, 1, +1, "D to gain when the logit of a generated image falls"),
        ("g()", wrong_g, 1, -1, "G to gain when the logit of a generated image rises"),
    ]
    for where, (real, fake), which, sign, claim in wanted:
        if _lost(found, where):
            continue
        slope = _slopes(calls[where], real, fake)[1 + which]
        value = 0.0 if slope is None else slope.mean().item()
        at = real if which == 0 else fake
        found.expect(value * sign > 0, where, claim, f"slope {value:.3g} at {at:g}")


def _lost(found: Findings, where: str) -> bool:
    """True for a method that failed above; the group then says that it is not tried."""
    if where not in found.broken or where in [f.where for f in found.groups[-1].failures]:
        return False
    note = f"; not tried: {where}"
    if note not in found.groups[-1].note:
        found.groups[-1].note += note
    return True


def _slopes(
    call: Callable[[Tensor, Tensor], Tensor], real: float, fake: float
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Return the loss of two logits each, and its slopes by those of real and generated images."""
    logits = [torch.full((2,), value, requires_grad=True) for value in (real, fake)]
    out = call(*logits)
    if out.requires_grad:
        out.sum().backward()
    return out.detach(), logits[0].grad, logits[1].grad


def check_augmentation(found: Findings, augmentation: Augmentation) -> None:
    """Try what D is shown: shape, gradient, randomness from the step."""
    where = "augment()"

    def augmented(n: int, channels: int) -> tuple[Tensor, Tensor]:
        spec = spec_of(channels=channels)
        made = bench(experiment_of(), spec)
        with seeded(SEED, CPU):
            state = augmentation.state(spec)
            step = step_of(made.model, "discriminator", n=2, train=made.experiment.train)
            x = torch.rand(n, channels, 16, 16, requires_grad=True)
            return x, augmentation.augment(x, step, state)

    with found.group("images", "shapes for 1, 2 and 5 images of 1 and 3 channels"):
        for channels in (1, 3):
            for n in BATCHES:
                case = f"{n} image{'s' if n > 1 else ''} of {channels} x 16 x 16"
                with found.guarded(where, case):
                    x, out = augmented(n, channels)
                    fits = isinstance(out, Tensor) and out.shape == x.shape
                    found.expect(fits, where, f"shape {tuple(x.shape)} for {case}", shape(out))
                    found.expect(finite(out), where, f"finite for {case}", "some are not")
    if found.groups[-1].failures:
        found.skip("gradients", ABOVE)
        found.skip("seed", ABOVE)
        return
    with found.group("gradients", "G learns through it"):
        x, out = augmented(5, 3)
        if found.expect(out.requires_grad, where, "a gradient at its input", "nothing"):
            out.square().sum().backward()
            good = x.grad is not None and bool(torch.isfinite(x.grad).all())
            found.expect(good, where, "a finite gradient at its input", "one that is not")
            some = good and x.grad is not None and bool(x.grad.count_nonzero())
            found.expect(not good or some, where, "a gradient at its input", "zero")
    with found.group("seed", "the same seed gives the same images"):
        gap = difference(augmented(5, 3)[1], augmented(5, 3)[1])
        same = "the same output from the same seed"
        found.expect(gap == 0, where, same, f"a difference of {gap:.2g}")
