"""Gradient penalties of discriminators with known gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.plugins.stand import part, step_of

torch.manual_seed(0)
REAL, FAKE = torch.randn(6, 1, 4, 4), torch.randn(6, 1, 4, 4)
SLOPE = torch.randn(1, 4, 4)


def linear(x: Tensor, y: Tensor) -> Tensor:
    """Return a logit whose gradient is SLOPE * (1 + y) everywhere."""
    weight = 1 + (y @ torch.arange(3.0) if y.dim() == 2 else y.to(x.dtype))
    return weight * (x * SLOPE).flatten(1).sum(1)


def quadratic(x: Tensor, y: Tensor) -> Tensor:
    """Return a logit whose gradient is x."""
    return x.square().flatten(1).sum(1) / 2


def norms(x: Tensor) -> np.ndarray:
    return np.sqrt((x.double().numpy() ** 2).sum((1, 2, 3)))


SLOPES = norms(SLOPE[None])[0] * np.array([1, 2, 3, 1, 2, 3])  # the labels are 0, 1, 2, 0, 1, 2


def value(name: str, logit, **options) -> float:
    component = part("regularizer", name, **options)
    (term,) = component.d_terms(step_of(real=REAL, fake=FAKE, logit=logit), None).values()
    return term.item()


def test_r1_and_r2_of_a_quadratic_are_the_squared_norms_of_their_images() -> None:
    expected_r1, expected_r2 = (3 / 2 * (norms(x) ** 2).mean() for x in (REAL, FAKE))
    assert value("r1", quadratic, gamma=3) == pytest.approx(expected_r1, rel=1e-5)
    assert value("r2", quadratic, gamma=3) == pytest.approx(expected_r2, rel=1e-5)


def test_r2_uses_the_labels_of_the_fakes() -> None:
    slopes = norms(SLOPE[None])[0] * np.array([2, 3, 1, 2, 3, 1])
    assert value("r2", linear, gamma=2) == pytest.approx((slopes**2).mean(), rel=1e-5)


@pytest.mark.parametrize("weight", [1.0, 10.0])
def test_gp_of_a_linear_d_is_the_squared_distance_of_its_slope_from_1(weight: float) -> None:
    expected = weight * ((SLOPES - 1) ** 2).mean()
    assert value("gp", linear, weight=weight) == pytest.approx(expected, rel=1e-5)


def test_one_sided_gp_does_not_penalise_small_gradients() -> None:
    expected = 10 * (np.maximum(0, SLOPES - 5) ** 2).mean()
    assert 0 < expected < 10 * ((SLOPES - 5) ** 2).mean()
    assert value("gp", linear, target=5, one_sided=True) == pytest.approx(expected, rel=1e-5)


def test_gp_uses_an_independent_point_between_each_pair_of_images() -> None:
    torch.manual_seed(3)
    share = torch.rand(6, 1, 1, 1)
    expected = 10 * ((norms(share * REAL + (1 - share) * FAKE) - 1) ** 2).mean()
    torch.manual_seed(3)
    assert value("gp", quadratic) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("labels", ["real", "fake", "mixed"])
def test_gp_uses_the_chosen_labels(labels: str) -> None:
    torch.manual_seed(3)
    share = torch.rand(6, 1, 1, 1).flatten().double().numpy()
    real, fake = np.array([0, 1, 2, 0, 1, 2]), np.array([1, 2, 0, 1, 2, 0])
    mean = {"real": real, "fake": fake, "mixed": share * real + (1 - share) * fake}[labels]
    expected = 10 * ((norms(SLOPE[None])[0] * (1 + mean) - 1) ** 2).mean()
    torch.manual_seed(3)
    assert value("gp", linear, labels=labels) == pytest.approx(expected, rel=1e-5)


def test_a_constant_d_has_a_gp_of_1_and_a_finite_gradient() -> None:
    weight = torch.zeros(1, 4, 4, requires_grad=True)
    step = step_of(real=REAL, fake=FAKE, logit=lambda x, y: (x * weight).flatten(1).sum(1))
    term = part("regularizer", "gp", weight=1).d_terms(step, None)["gp"]
    term.backward()
    assert term.item() == 1
    assert torch.isfinite(weight.grad).all()


@pytest.mark.parametrize("k", [0.5, 1.0])
def test_dragan_of_a_linear_d_is_the_squared_distance_of_its_slope_from_k(k: float) -> None:
    expected = 10 * ((SLOPES - k) ** 2).mean()
    assert value("dragan", linear, k=k) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("noise", ["uniform", "normal"])
def test_dragan_uses_points_near_real_images(noise: str) -> None:
    torch.manual_seed(5)
    if noise == "uniform":
        drawn = torch.rand(6, 1, 1, 1) * torch.rand(6, 1, 4, 4)
    else:
        drawn = torch.randn(6, 1, 4, 4)
    std = REAL.double().numpy().std(ddof=1)
    expected = 10 * ((norms(REAL + 0.25 * std * drawn) - 1) ** 2).mean()
    torch.manual_seed(5)
    assert value("dragan", quadratic, scale=0.25, noise=noise) == pytest.approx(expected, rel=1e-4)
