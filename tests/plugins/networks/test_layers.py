"""Attention, blocks and initialisation, compared with the formulas of the papers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from ganlab_plugins._layers import Attention, glorot, orthogonal
from ganlab_plugins.discriminators._residual import DownBlock
from ganlab_plugins.generators._residual import UpBlock
from torch import Tensor, nn
from torch.nn.functional import conv2d

from tests.plugins.networks.helpers import discriminator, generator, spec_of


def random_biases(module: nn.Module) -> None:
    for name, parameter in module.named_parameters():
        if name.endswith("bias"):
            nn.init.normal_(parameter)


# --------------------------------------------------------------------------- attention


def attended(attention: Attention, h: np.ndarray) -> np.ndarray:
    """Return the output of equations 1 to 3, computed position by position."""
    layers = (attention.query, attention.key, attention.value, attention.out)
    query, key, value, out = (la.weight.detach().numpy()[:, :, 0, 0] for la in layers)
    images, channels, height, width = h.shape
    result = np.empty_like(h)
    for n in range(images):
        keys, values = [], []
        for i in range(0, height, 2):
            for j in range(0, width, 2):
                places = [h[n, :, i + a, j + b] for a in range(2) for b in range(2)]
                keys.append(np.max([key @ place for place in places], axis=0))
                values.append(np.max([value @ place for place in places], axis=0))
        for i in range(height):
            for j in range(width):
                weights = np.exp([(query @ h[n, :, i, j]) @ k for k in keys])
                seen = sum(w * v for w, v in zip(weights / weights.sum(), values, strict=True))
                result[n, :, i, j] = h[n, :, i, j] + attention.gate.item() * (out @ seen)
    assert channels == len(out)
    return result


def test_attention_equals_its_equations() -> None:
    torch.manual_seed(0)
    attention = Attention(16, glorot).double()
    nn.init.constant_(attention.gate, 0.7)
    h = torch.randn(2, 16, 4, 6, dtype=torch.float64)
    torch.testing.assert_close(attention(h), torch.tensor(attended(attention, h.numpy())))
    assert attention.query.out_channels == attention.key.out_channels == 2
    assert attention.value.out_channels == 8


def test_attention_starts_as_the_identity_with_a_gradient_only_at_its_gate() -> None:
    attention = Attention(16, glorot)
    h = torch.randn(2, 16, 4, 4)
    assert torch.equal(attention(h), h)
    attention(h).square().sum().backward()
    assert attention.gate.grad is not None
    assert attention.gate.grad.abs() > 0


def test_attention_and_blocks_support_double_backward() -> None:
    torch.manual_seed(0)
    attention = Attention(4, glorot).double()
    nn.init.constant_(attention.gate, 0.7)
    h = torch.randn(1, 4, 2, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(attention, h)
    block = DownBlock(4, 2, glorot, hidden=3).double()
    assert torch.autograd.gradgradcheck(block, h)


@pytest.mark.parametrize(
    ("network", "size", "at"),
    [
        ("sagan", 16, 8),
        ("sagan", 64, 32),
        ("sagan", 128, 32),
        ("biggan", 32, 16),
        ("biggan", 128, 64),
    ],
)
def test_attention_occurs_once_per_network_at_the_resolution_of_the_paper(
    network: str, size: int, at: int
) -> None:
    spec = spec_of(size)
    seen: list[tuple[int, ...]] = []
    nets: list[Any] = [generator(network, spec, width=1), discriminator(network, spec, width=1)]
    for net in nets:
        for module in net.modules():
            if isinstance(module, Attention):
                module.register_forward_hook(lambda _m, args, _o: seen.append(args[0].shape[2:]))
    y = torch.tensor([0, 1])
    nets[1](nets[0](torch.randn(2, 12), y), y)
    assert seen == [(at, at), (at, at)]


# ------------------------------------------------------------------------------ blocks


class Scaled(nn.Module):
    """A simple norm site: h times the style."""

    def forward(self, h: Tensor, style: Tensor) -> Tensor:
        return h * style[:, :, None, None]


def doubled(h: Tensor) -> Tensor:
    return h.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)


def halved(h: Tensor) -> Tensor:
    return sum(h[:, :, i::2, j::2] for i in range(2) for j in range(2)) / 4  # type: ignore[return-value]


def weights(layer: Any) -> tuple[Tensor, Tensor]:
    return layer.weight, layer.bias


def test_an_up_block_equals_the_papers_composition_with_a_style_per_norm_site() -> None:
    block = UpBlock(3, 5, lambda channels: Scaled(), glorot)
    random_biases(block)
    h, style1, style2 = torch.randn(2, 3, 4, 4), torch.randn(2, 1), torch.randn(2, 1)
    inner = doubled((h * style1[:, :, None, None]).clamp(min=0))
    inner = conv2d(inner, *weights(block.conv1), padding=1)
    inner = conv2d(
        (inner * style2[:, :, None, None]).clamp(min=0), *weights(block.conv2), padding=1
    )
    expected = inner + conv2d(doubled(h), *weights(block.shortcut))
    assert expected.shape == (2, 5, 8, 8)
    torch.testing.assert_close(block(h, style1, style2), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("halve", [True, False])
def test_a_down_block_equals_the_papers_composition(halve: bool, first: bool) -> None:
    block = DownBlock(3, 5, glorot, hidden=4, halve=halve, first=first)
    random_biases(block)
    h = torch.randn(2, 3, 4, 4)
    kept = h.clone()
    inner = conv2d(h if first else h.clamp(min=0), *weights(block.conv1), padding=1)
    inner = conv2d(inner.clamp(min=0), *weights(block.conv2), padding=1)
    beside = conv2d(h, *weights(block.shortcut))
    expected = halved(inner) + halved(beside) if halve else inner + beside
    torch.testing.assert_close(block(h), expected, rtol=1e-4, atol=1e-5)
    assert torch.equal(h, kept)


def test_a_block_that_keeps_the_shape_has_an_identity_shortcut() -> None:
    block = DownBlock(3, 3, glorot, hidden=3, halve=False)
    for parameter in block.parameters():
        nn.init.zeros_(parameter)
    h = torch.randn(2, 3, 4, 4)
    assert torch.equal(block(h), h)
    assert len(list(block.parameters())) == 4


@pytest.mark.parametrize("network", ["sngan", "sagan", "biggan"])
def test_features_are_sums_over_positions_after_relu(network: str) -> None:
    D = discriminator(network, spec_of(), width=2)
    x = torch.randn(2, 1, 16, 16)
    maps = D.layers(x)  # type: ignore[operator]
    expected = np.maximum(maps.detach().numpy(), 0).sum((2, 3))
    torch.testing.assert_close(D.features(x), torch.tensor(expected))


# ---------------------------------------------------------------------- initialisation


def test_glorot_has_the_correct_variance_and_bounds() -> None:
    torch.manual_seed(0)
    layer = glorot(nn.Conv2d(32, 64, 3), gain=2**0.5)
    variance = 2 * 2 / ((32 + 64) * 9)
    assert layer.weight.var().item() == pytest.approx(variance, rel=0.03)
    assert layer.weight.abs().max().item() <= (3 * variance) ** 0.5
    assert layer.bias is not None
    assert not layer.bias.any()


def test_orthogonal_has_orthogonal_filters() -> None:
    layer = orthogonal(nn.Conv2d(3, 8, 3))
    rows = layer.weight.detach().flatten(1)
    torch.testing.assert_close(rows @ rows.T, torch.eye(8), rtol=0, atol=1e-5)
    assert layer.bias is not None
    assert not layer.bias.any()


def test_all_layers_of_biggan_start_with_orthogonal_weights() -> None:
    spec = spec_of()
    for net in (generator("biggan", spec, width=2), discriminator("biggan", spec, width=2)):
        layers = [m for m in net.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
        assert len(layers) > 8
        for layer in layers:
            values = torch.linalg.svdvals(layer.weight.detach().flatten(1))
            torch.testing.assert_close(values, torch.ones_like(values), rtol=0, atol=1e-5)
