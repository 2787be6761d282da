"""Instance noise: its standard deviation, its schedule, and its gradient."""

from __future__ import annotations

import pytest
import torch

from tests.plugins.stand import part, step_of

X = torch.zeros(64, 3, 8, 8)


@pytest.mark.parametrize(("images", "std"), [(0, 0.5), (50, 0.25), (100, 0.0), (1000, 0.0)])
def test_its_standard_deviation_follows_the_schedule(images: int, std: float) -> None:
    noise = part("augmentation", "instance-noise", std="0.5 to 0 over 100 images")
    torch.manual_seed(0)
    x = noise.augment(X, step_of(real=X, fake=X, images=images), None)
    assert x.std().item() == pytest.approx(std, rel=0.02)
    assert x.mean().item() == pytest.approx(0, abs=0.02)


def test_every_pixel_of_every_image_has_independent_noise() -> None:
    torch.manual_seed(0)
    x = part("augmentation", "instance-noise").augment(X, step_of(real=X, fake=X), None)
    assert len(x.unique()) > 0.99 * x.numel()


def test_the_gradient_passes_unchanged() -> None:
    x = X.clone().requires_grad_()
    step = step_of(real=X, fake=X)
    part("augmentation", "instance-noise", std=2.0).augment(x, step, None).sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, torch.ones_like(x))
