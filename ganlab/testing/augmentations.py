"""Checks of augmentations."""

from __future__ import annotations

import torch
from torch import Tensor

from ganlab.components import Augmentation
from ganlab.seeds import seeded
from ganlab.testing.harness import CPU, experiment_of, make_harness, spec_of, step_of
from ganlab.testing.report import EARLIER_FAILURE, Findings
from ganlab.testing.tensors import SEED, difference, finite, shape

BATCHES = (1, 2, 5)


def check_augmentation(found: Findings, augmentation: Augmentation) -> None:
    """Check the augmented images: shapes, gradients and determinism."""
    where = "augment()"

    def augmented(n: int, channels: int) -> tuple[Tensor, Tensor]:
        spec = spec_of(channels=channels)
        harness = make_harness(experiment_of(), spec)
        with seeded(SEED, CPU):
            state = augmentation.state(spec)
            step = step_of(harness.model, "discriminator", n=2, train=harness.experiment.train)
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
        found.skip("gradients", EARLIER_FAILURE)
        found.skip("seed", EARLIER_FAILURE)
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
