"""The layers, compared with SciPy's filters, loops over images, and closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from ganlab_plugins.discriminators.stylegan2 import Block, minibatch_std
from ganlab_plugins.generators._equalized import Conv, Linear, activate
from ganlab_plugins.generators._resampling import Blur, Downsample, Upsample
from ganlab_plugins.generators.stylegan2 import modulated, normalised
from scipy.signal import convolve2d, correlate2d, upfirdn
from torch import nn
from torch.nn.functional import conv2d

TAPS = np.array([1.0, 3.0, 3.0, 1.0]) / 8
FILTER = np.outer(TAPS, TAPS)


def both_ways(image: np.ndarray, taps: np.ndarray, **how: int) -> np.ndarray:
    return upfirdn(taps, upfirdn(taps, image, axis=0, **how), axis=1, **how)


def test_upsampling_equals_scipys_upfirdn() -> None:
    h = torch.randn(2, 3, 5, 6, dtype=torch.float64)
    out = Upsample().double()(h)
    assert out.shape == (2, 3, 10, 12)
    for n in range(2):
        for c in range(3):
            full = both_ways(h[n, c].numpy(), 2 * TAPS, up=2)
            np.testing.assert_allclose(out[n, c].numpy(), full[1:-1, 1:-1], atol=1e-12)


def test_downsampling_equals_scipys_upfirdn() -> None:
    h = torch.randn(2, 3, 8, 6, dtype=torch.float64)
    out = Downsample().double()(h)
    assert out.shape == (2, 3, 4, 3)
    for n in range(2):
        for c in range(3):
            full = both_ways(h[n, c].numpy(), TAPS)
            np.testing.assert_allclose(out[n, c].numpy(), full[2:9:2, 2:7:2], atol=1e-12)


def test_resampling_preserves_constants_away_from_the_border() -> None:
    up, down = Upsample()(torch.ones(1, 2, 8, 8)), Downsample()(torch.ones(1, 2, 8, 8))
    torch.testing.assert_close(up[..., 1:-1, 1:-1], torch.ones(1, 2, 14, 14))
    torch.testing.assert_close(down[..., 1:-1, 1:-1], torch.ones(1, 2, 2, 2))


def test_the_filter_is_not_in_the_state_dict() -> None:
    assert not Upsample().state_dict()
    assert not list(Upsample().parameters())


def test_an_upsampling_convolution_equals_zeros_then_filter_then_kernel() -> None:
    h = torch.randn(2, 3, 4, 4, dtype=torch.float64)
    weight = torch.randn(2, 3, 3, 3, dtype=torch.float64)
    s = torch.rand(2, 3, dtype=torch.float64) + 0.5
    out = Blur(padding=1, gain=4.0).double()(modulated(h, weight, s, up=True, demodulate=False))
    assert out.shape == (2, 2, 8, 8)
    for n in range(2):
        for o in range(2):
            expected = np.zeros((8, 8))
            for i in range(3):
                spread = np.zeros((7, 7))
                spread[::2, ::2] = h[n, i].numpy() * s[n, i].item()
                smooth = convolve2d(spread, 4 * FILTER)  # the filter is applied first here
                expected += convolve2d(smooth, weight[o, i].numpy())[2:10, 2:10]
            np.testing.assert_allclose(out[n, o].numpy(), expected, atol=1e-12)


def test_a_downsampling_convolution_equals_filter_then_kernel_then_subsampling() -> None:
    block = Block(2, 3).double()
    h = torch.randn(1, 2, 8, 8, dtype=torch.float64)
    out = block.down(block.blur(h))
    assert out.shape == (1, 3, 4, 4)
    for o in range(3):
        expected = np.zeros((4, 4))
        for i in range(2):
            smooth = convolve2d(h[0, i].numpy(), FILTER)[1:10, 1:10]
            kernel = block.down.weight[o, i].detach().numpy() / math.sqrt(2 * 9)
            expected += correlate2d(smooth, kernel, mode="valid")[::2, ::2]
        np.testing.assert_allclose(out[0, o].detach().numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("demodulate", [True, False])
def test_modulation_equals_a_separate_weight_for_each_image(demodulate: bool) -> None:
    h = torch.randn(4, 3, 6, 6, dtype=torch.float64)
    weight = torch.randn(5, 3, 3, 3, dtype=torch.float64)
    s = torch.randn(4, 3, dtype=torch.float64)
    out = modulated(h, weight, s, demodulate=demodulate)
    for n in range(4):
        own = torch.empty_like(weight)
        for o in range(5):
            for i in range(3):
                own[o, i] = s[n, i] * weight[o, i]  # equation 1
            if demodulate:
                own[o] = own[o] / math.sqrt(own[o].pow(2).sum().item() + 1e-8)  # equation 3
        torch.testing.assert_close(out[n : n + 1], conv2d(h[n : n + 1], own, padding=1))


def test_demodulated_features_have_variance_1_for_any_style() -> None:
    h = torch.randn(8, 32, 32, 32)
    out = modulated(h, torch.randn(16, 32, 3, 3), 5 * torch.rand(8, 32) + 1)
    inner = out[..., 1:-1, 1:-1]
    torch.testing.assert_close(inner.var((0, 2, 3)), torch.ones(16), atol=0.1, rtol=0)


@pytest.mark.parametrize("lr", [1.0, 0.01])
def test_an_equalized_layer_starts_with_weights_of_variance_1_over_fan_in(lr: float) -> None:
    layer = Linear(400, 300, lr=lr, bias=1.0)
    effective = layer(torch.eye(400)) - layer(torch.zeros(1, 400))
    assert effective.var().item() == pytest.approx(1 / 400, rel=0.02)
    torch.testing.assert_close(layer(torch.zeros(1, 400)), torch.ones(1, 300))
    conv = Conv(16, 64, 3)
    assert conv.weight.var().item() == pytest.approx(1, rel=0.05)
    assert conv(torch.randn(4, 16, 32, 32))[..., 1:-1, 1:-1].var().item() == pytest.approx(1, 0.1)


def test_an_adam_step_of_an_equalized_weight_is_lr_times_its_scale() -> None:
    for lr in (1.0, 0.01):
        layer = Linear(64, 2, lr=lr)
        before = layer(torch.eye(64)).detach()
        adam = torch.optim.Adam(layer.parameters(), lr=0.1, betas=(0.0, 0.99))
        (layer(torch.eye(64)) - layer(torch.zeros(1, 64))).sum().backward()
        adam.step()
        moved = layer(torch.eye(64)) - layer(torch.zeros(1, 64)) - before
        torch.testing.assert_close(moved, torch.full((64, 2), -0.1 * lr / 8), atol=1e-5, rtol=1e-3)


def test_the_activation_preserves_the_second_moment() -> None:
    h = torch.tensor([-1.0, 2.0])
    torch.testing.assert_close(activate(h), torch.tensor([-0.2, 2.0]) * math.sqrt(2))
    assert activate(torch.randn(100000)).square().mean().item() == pytest.approx(1.04, rel=0.02)


def test_rows_are_normalised_to_a_mean_square_of_1_and_may_be_empty() -> None:
    rows = torch.tensor([[3.0, 4.0], [0.3, -0.4]])
    root = math.sqrt(12.5)
    expected = torch.tensor([[3 / root, 4 / root], [3 / root, -4 / root]])
    torch.testing.assert_close(normalised(rows), expected)
    assert normalised(torch.empty(3, 0)).shape == (3, 0)


@pytest.mark.parametrize(("batch", "group"), [(1, 1), (2, 2), (4, 4), (5, 1), (6, 3), (8, 4)])
def test_minibatch_std_uses_the_largest_groups_that_divide_the_batch(
    batch: int, group: int
) -> None:
    h = torch.randn(batch, 3, 4, 4, dtype=torch.float64)
    out = minibatch_std(h, 4)
    assert out.shape == (batch, 1, 4, 4)
    values = h.numpy()
    for n in range(batch):
        members = [m for m in range(batch) if m % (batch // group) == n % (batch // group)]
        assert len(members) == group
        spread = np.sqrt(values[members].var(axis=0) + 1e-8).mean()
        np.testing.assert_allclose(out[n].numpy(), np.full((1, 4, 4), spread), rtol=1e-10)


def test_a_residual_block_is_block_plus_shortcut_divided_by_sqrt_2() -> None:
    from ganlab_plugins.discriminators.stylegan2 import ResidualBlock

    block = ResidualBlock(2, 3)
    plain = Block(2, 3)
    plain.load_state_dict({k: v for k, v in block.state_dict().items() if "shortcut" not in k})
    h = torch.randn(2, 2, 8, 8)
    weight = block.shortcut[1].weight / math.sqrt(2)
    shortcut = conv2d(Downsample()(h), weight)
    torch.testing.assert_close(block(h), (plain(h) + shortcut) / math.sqrt(2))


def test_spectral_normalisation_skips_equalized_layers() -> None:
    assert not isinstance(Linear(2, 2), nn.Linear)
    assert not isinstance(Conv(2, 2, 1), nn.Conv2d)
