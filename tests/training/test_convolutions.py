"""Convolutions as matrix products: the same function, twice differentiable, only where asked."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from ganlab.training import convolutions
from ganlab.training.convolutions import Gather, Match, Spread, as_products

SHAPES = [  # side of the map, side of the kernel, stride, padding
    (8, 4, 2, 1),
    (4, 3, 1, 1),
    (4, 4, 1, 0),
    (5, 3, 2, 0),
    (4, 1, 1, 0),
]


def tensors(side: int, kernel: int, stride: int, padding: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return x (2, 3, S, S), w (4, 3, K, K) and y (2, 4, S', S')."""
    torch.manual_seed(0)
    x = torch.randn(2, 3, side, side, dtype=torch.double, requires_grad=True)
    w = torch.randn(4, 3, kernel, kernel, dtype=torch.double, requires_grad=True)
    y = torch.randn_like(F.conv2d(x, w, None, stride, padding)).requires_grad_()
    return x, w, y


@pytest.mark.parametrize("shape", SHAPES)
def test_the_three_are_a_convolution_and_its_two_gradients(shape: tuple[int, ...]) -> None:
    x, w, y = tensors(*shape)
    _, kernel, stride, padding = shape
    geometry = (kernel, stride, padding)
    expected = F.conv2d(x, w, None, stride, padding)
    of_x, of_w = torch.autograd.grad(expected, (x, w), y)
    torch.testing.assert_close(Gather.apply(x, w, geometry), expected)
    torch.testing.assert_close(Spread.apply(y, w, geometry, list(x.shape[2:])), of_x)
    torch.testing.assert_close(Match.apply(x, y, geometry), of_w)


@pytest.mark.parametrize("shape", SHAPES[:3])
def test_they_can_be_differentiated_twice(shape: tuple[int, ...]) -> None:
    x, w, y = tensors(*shape)
    geometry, size = shape[1:], list(x.shape[2:])
    for function, inputs in (
        (lambda x, w: Gather.apply(x, w, geometry), (x, w)),
        (lambda y, w: Spread.apply(y, w, geometry, size), (y, w)),
        (lambda x, y: Match.apply(x, y, geometry), (x, y)),
    ):
        assert torch.autograd.gradcheck(function, inputs)
        assert torch.autograd.gradgradcheck(function, inputs)


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        spectral_norm(nn.Conv2d(128, 256, 4, 2, 1, bias=False)),
        nn.ConvTranspose2d(256, 128, 4, 2, 1),
        nn.Conv2d(128, 8, 3, 1, 1),  # too few channels
    ).to(memory_format=torch.channels_last)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the products that are computed."""
    seen: list[str] = []
    for function in (Gather, Spread):
        forward = function.forward

        def counted(*args: object, forward=forward, name=function.__name__) -> Tensor:  # type: ignore[no-untyped-def]
            seen.append(name)
            result: Tensor = forward(*args)
            return result

        monkeypatch.setattr(getattr(convolutions, function.__name__), "forward", counted)
    return seen


def test_in_bfloat16_the_small_ones_are_products_of_the_same_value(calls: list[str]) -> None:
    plain, fast = network(), network()
    as_products(fast)
    x = torch.randn(3, 128, 8, 8)
    results = []
    for net in (plain, fast):
        its = x.clone().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16):
            out = net(its)
        out.float().square().mean().backward()
        results.append([out.detach(), its.grad, *(p.grad for p in net.parameters())])
    assert calls[:2] == ["Gather", "Spread"]
    for a, b in zip(*results, strict=True):
        assert a.dtype == b.dtype
        torch.testing.assert_close(b.float(), a.float(), rtol=0, atol=0.02 * a.abs().max().item())


def test_elsewhere_nothing_changes(calls: list[str]) -> None:
    plain, fast = network(), network()
    as_products(fast)
    x = torch.randn(2, 128, 8, 8)
    assert torch.equal(plain(x), fast(x))  # full precision
    with torch.autocast("cpu", torch.bfloat16):
        large = torch.randn(1, 128, 64, 64)
        assert torch.equal(plain(large), fast(large))
    assert calls == []
    assert list(plain.state_dict()) == list(fast.state_dict())


def test_a_copy_computes_with_its_own_weights() -> None:
    fast = network()[1:]
    as_products(fast)
    average = copy.deepcopy(fast)
    with torch.no_grad():
        for parameter in fast.parameters():
            parameter.zero_()
    x = torch.randn(2, 256, 4, 4)
    with torch.autocast("cpu", torch.bfloat16):
        assert average(x).abs().max() > 0
        assert fast(x).abs().max() == 0
