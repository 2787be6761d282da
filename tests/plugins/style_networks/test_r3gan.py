"""The networks of R3GAN: parameter counts, groups, and initialisation."""

from __future__ import annotations

import math

import pytest
import torch
from ganlab_plugins.generators._resnext import Block, widths
from torch import nn
from torch.nn.functional import conv2d, leaky_relu

from ganlab.sites import Sites
from ganlab.training.model import parameter_count
from ganlab.types import DataSpec
from tests.plugins.stand import part
from tests.plugins.style_networks.nets import Z, spec_of

PAPER = DataSpec(1, 256, 3, ("face",))


def build(role: str, spec: DataSpec, **options: int) -> nn.Module:
    torch.manual_seed(0)
    sites = Sites(role, [], spec)  # type: ignore[arg-type]
    component = part(role, "r3gan", **options)
    return component.build(64, spec, sites) if role == "generator" else component.build(spec, sites)


def test_parameter_counts_of_config_e_equal_those_of_the_paper() -> None:
    """The paper's table of configurations has 23.058 M and 23.010 M for FFHQ at 256 x 256."""
    with torch.device("meta"):
        counts = [
            parameter_count(build(role, PAPER).parameters())
            for role in ("generator", "discriminator")
        ]
    assert [round(count / 1e6, 3) for count in counts] == [23.058, 23.010]


def test_parameter_counts_for_cifar10_are_the_sums_of_the_layers() -> None:
    with torch.device("meta"):
        g, d = (build(role, spec_of(32, 3)) for role in ("generator", "discriminator"))
    block = 768 * 1536 + 1536 + 1536 * 16 * 9 + 1536 + 1536 * 768
    basis, four_stages = 768 * 4 * 4, 4 * 2 * block
    assert parameter_count(g.parameters()) == basis + 64 * 768 + four_stages + 768 * 3
    assert parameter_count(d.parameters()) == 3 * 768 + four_stages + basis + 768


def test_stages_have_the_widths_and_groups_of_the_papers_settings() -> None:
    assert widths(768, 32) == [768, 768, 768, 768]
    assert widths(768, 64) == [768, 768, 768, 768, 384]
    assert widths(768, 256) == [768, 768, 768, 768, 384, 192, 96]
    with torch.device("meta"):
        g, d = (build(role, PAPER) for role in ("generator", "discriminator"))
    groups = [m.mix.groups for m in g.modules() if isinstance(m, Block)]
    assert groups == [96] * 8 + [48] * 2 + [24] * 2 + [12] * 2
    assert [m.mix.groups for m in d.modules() if isinstance(m, Block)] == groups[::-1]


@pytest.mark.parametrize(("width", "group_size", "groups"), [(10, 16, 5), (8, 3, 16), (4, 64, 1)])
def test_a_group_size_that_does_not_divide_becomes_the_common_divisor(
    width: int, group_size: int, groups: int
) -> None:
    block = Block(width, expansion=2, group_size=group_size, number_of_blocks=1)
    assert block.mix.groups == groups
    assert block(torch.randn(1, width, 4, 4)).shape == (1, width, 4, 4)


def test_a_block_starts_as_the_identity_and_learns() -> None:
    block = Block(8, expansion=2, group_size=4, number_of_blocks=4)
    h = torch.randn(2, 8, 4, 4)
    assert torch.equal(block(h), h)
    block(h).square().sum().backward()
    assert block.narrow.weight.grad.abs().sum() > 0


def test_the_first_layers_start_with_the_scale_of_fixup() -> None:
    block = Block(256, expansion=2, group_size=16, number_of_blocks=16)
    gain = math.sqrt(2 / 1.04) / 2  # 16 ** (-1 / 4)
    assert block.widen.weight.std().item() == pytest.approx(gain / math.sqrt(256), rel=0.02)
    assert block.mix.weight.std().item() == pytest.approx(gain / math.sqrt(16 * 9), rel=0.02)
    assert not block.narrow.weight.any()
    assert not block.widen.bias.any()
    assert not block.mix.bias.any()


def test_a_block_is_three_convolutions_and_two_leaky_relus_plus_the_identity() -> None:
    block = Block(4, expansion=2, group_size=4, number_of_blocks=1)
    nn.init.normal_(block.narrow.weight)
    nn.init.normal_(block.mix.bias)
    h = torch.randn(2, 4, 5, 5)
    inner = leaky_relu(torch.einsum("oi,nihw->nohw", block.widen.weight[:, :, 0, 0], h), 0.2)
    halves = [conv2d(inner[:, i : i + 4], block.mix.weight[i : i + 4], padding=1) for i in (0, 4)]
    inner = leaky_relu(torch.cat(halves, 1) + block.mix.bias[:, None, None], 0.2)
    expected = h + torch.einsum("oi,nihw->nohw", block.narrow.weight[:, :, 0, 0], inner)
    torch.testing.assert_close(block(h), expected)


def test_the_generator_starts_from_the_basis_with_amplitudes_from_the_noise() -> None:
    """Every block starts as the identity, so that the image is linear in z."""
    spec = spec_of(16)
    g = build("generator", spec, width=8).eval()
    y = torch.zeros(2, dtype=torch.long)
    z = torch.randn(2, 64)
    torch.testing.assert_close(g(3 * z, y), 3 * g(z, y))
    h = g.basis * (z @ g.amplitude.weight.T)[:, :, None, None]
    for layer in g.layers:
        h = layer.upsample(h) if hasattr(layer, "upsample") else h
    expected = torch.einsum("oi,nihw->nohw", g.to_image.weight[:, :, 0, 0], h)
    torch.testing.assert_close(g(z, y), expected)


def test_the_logit_is_a_weighted_sum_of_the_last_pixels() -> None:
    d = build("discriminator", spec_of(16), width=8)
    h = d.layers(d.from_image(torch.randn(3, 1, 16, 16)))
    assert h.shape == (3, 8, 4, 4)
    expected = (h * d.basis.weight[:, 0]).sum((2, 3))
    torch.testing.assert_close(d.basis(h).flatten(1), expected)


def test_blocks_with_norm_sites_start_as_the_identity() -> None:
    spec = spec_of(16)
    torch.manual_seed(0)
    plain, conditioned = (
        part("generator", "r3gan", width=8).build(Z, spec, Sites("generator", schemes, spec))
        for schemes in ([], [part("conditioning", "cbn")])
    )
    conditioned.load_state_dict(plain.state_dict(), strict=False)
    z, y = torch.randn(3, Z), torch.arange(3)
    torch.testing.assert_close(conditioned(z, y), plain(z, y))
