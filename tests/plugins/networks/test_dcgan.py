"""The learned constant of DCGAN's generator."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from tests.plugins.networks.helpers import generator, spec_of

Y = torch.tensor([0, 1, 2, 0])


@pytest.mark.parametrize(
    ("scheme", "expected"),
    [("none", False), ("concat", False), ("cbn", True), ("film", True), ("adain", True)],
)
def test_generator_adds_a_learned_constant_exactly_if_a_scheme_normalises(
    scheme: str, expected: bool
) -> None:
    torch.manual_seed(0)
    G = generator("dcgan", spec_of(), [scheme], width=4)
    shapes = {name: tuple(p.shape) for name, p in G.named_parameters() if name.startswith("start")}
    assert shapes == ({"start.value": (8, 4, 4)} if expected else {})
    if expected:
        start: Any = G.start
        assert not start.value.any()
        z = torch.randn(4, 12)
        before = G(z, Y)
        before.square().sum().backward()
        assert start.value.grad.abs().max() > 0
        nn.init.normal_(start.value)
        assert not torch.allclose(G(z, Y), before)
