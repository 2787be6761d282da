"""The learned constant of DCGAN's generator and the bias of its discriminator."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from tests.plugins.networks.helpers import discriminator, generator, spec_of

Y = torch.tensor([0, 1, 2, 0])


def logits_at_two_contrasts(scheme: str, **options: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the logits of a batch and of the same batch with half the contrast."""
    torch.manual_seed(0)
    D = discriminator("dcgan", spec_of(32), [scheme], width=4, **options).double()
    for layer in D.modules():
        if isinstance(layer, nn.Conv2d):
            layer.weight.data *= 10  # makes epsilon negligible
    x = torch.rand(4, 1, 32, 32, dtype=torch.float64) * 2 - 1
    return D(x, Y).logit.detach(), D(x / 2, Y).logit.detach()


@pytest.mark.parametrize("norm", ["batch", "instance"])
@pytest.mark.parametrize("scheme", ["none", "projection"])
def test_discriminator_is_blind_to_contrast_without_a_bias_before_the_first_normalisation(
    scheme: str, norm: str
) -> None:
    whole, half = logits_at_two_contrasts(scheme, norm=norm, bias=False)
    assert (whole - half).abs().max() < 0.01 * whole.abs().max()  # not 0: epsilon
    whole, half = logits_at_two_contrasts(scheme, norm=norm)
    assert (whole - half).abs().max() > 0.05 * whole.abs().max()


def test_discriminator_has_a_bias_by_default_if_no_scheme_adds_channels_to_the_image() -> None:
    def has_bias(*schemes: str, **options: Any) -> bool:
        network = discriminator("dcgan", spec_of(), schemes, width=4, **options)
        biases = [name for name, _ in network.named_parameters() if name.endswith("0.bias")]
        assert biases in ([], ["layers.0.bias"])
        return bool(biases)

    assert has_bias()
    assert has_bias("projection")
    assert has_bias("acgan")
    assert not has_bias("concat")
    assert not has_bias("embedding-plane")
    assert has_bias("concat", bias=True)
    assert not has_bias("projection", bias=False)


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
