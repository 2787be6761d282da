"""Path length regularization of a linear generator, whose Jacobian is its weight matrix."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from ganlab.types import Latents
from tests.plugins.stand import SPEC, Draw, part, step_of

torch.manual_seed(0)
WEIGHT, Z = torch.randn(16, 5), torch.randn(6, 5)
IMAGES = torch.zeros(6, 1, 4, 4)


def lengths(n: int) -> np.ndarray:
    """Return |J^T u|, with random numbers in the order of the penalty: first noise, then pixels."""
    torch.randn(n, 5)
    u = torch.randn(n, 1, 4, 4).flatten(1).double().numpy() / 4
    return np.linalg.norm(u @ WEIGHT.double().numpy(), axis=1)


def test_it_is_the_squared_distance_from_the_running_mean() -> None:
    component = part("regularizer", "path-length", weight=3, decay=0.75)
    state = component.state(SPEC)
    state.mean.fill_(2.0)
    step = step_of("generator", real=IMAGES, fake=IMAGES, G=Draw(WEIGHT), z=Z)
    torch.manual_seed(4)
    expected = lengths(3)  # half of the batch
    mean = 0.75 * 2 + 0.25 * expected.mean()
    torch.manual_seed(4)
    term = component.g_terms(step, state)["path_length"]
    assert term.item() == pytest.approx(3 * ((expected - mean) ** 2).mean(), rel=1e-5)
    assert state.mean.item() == pytest.approx(mean, rel=1e-6)
    assert step.logged["path_length_mean"].item() == pytest.approx(mean, rel=1e-6)


def test_the_running_mean_converges_to_the_mean_length_and_g_gets_a_gradient() -> None:
    component = part("regularizer", "path-length", decay=0.9, batch_shrink=1)
    state = component.state(SPEC)
    step = step_of("generator", real=IMAGES, fake=IMAGES, G=Draw(WEIGHT), z=Z)
    for _ in range(200):
        term = component.g_terms(step, state)["path_length"]
    term.backward()
    assert step.G.weight.grad.abs().sum() > 0
    torch.manual_seed(0)
    expected = np.mean([lengths(6).mean() for _ in range(300)])
    assert state.mean.item() == pytest.approx(expected, rel=0.1)


class Layered(Draw):
    """A generator of two layers with separate w; the weight of the second layer is doubled."""

    def map(self, z: Tensor, y: Tensor) -> Latents:
        return Latents(torch.stack([z, z], 1), z)

    def synthesize(self, latents: Latents) -> Tensor:
        return ((latents.w[:, 0] + 2 * latents.w[:, 1]) @ self.weight.T).view(-1, *self.shape)


def test_with_a_w_per_layer_the_length_is_the_root_mean_square_over_layers() -> None:
    component = part("regularizer", "path-length", weight=1, decay=0, batch_shrink=1)
    step = step_of("generator", real=IMAGES, fake=IMAGES, G=Layered(WEIGHT), z=Z)
    torch.manual_seed(4)
    expected = lengths(6) * np.sqrt((1 + 4) / 2)
    torch.manual_seed(4)
    term = component.g_terms(step, component.state(SPEC))["path_length"]
    assert term.item() == pytest.approx(expected.var(), rel=1e-4)


def test_it_is_lazy_by_default() -> None:
    assert part("regularizer", "path-length").interval() == 4
