"""Parameter counts of the networks: published numbers, or sums over the tables of the papers."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import nn

from tests.plugins.networks.helpers import SHARED, discriminator, generator, spec_of

EMBEDDING = 1000 * 128
"""Number of parameters of the shared embedding of ImageNet's classes."""


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def counts(
    name: str, size: int, classes: int, schemes: list[str], *, z_dim: int, **options: Any
) -> tuple[int, int]:
    """Return the parameter counts of G and D, built on the meta device."""
    spec = spec_of(size, 3, classes)
    of_d = {k: v for k, v in options.items() if k != "hierarchical"}
    with torch.device("meta"):
        G = generator(name, spec, schemes, z_dim=z_dim, **options)
        D = discriminator(name, spec, schemes, **of_d)
    return count(G), count(D)


def test_biggan_has_the_parameters_that_its_authors_code_prints() -> None:
    """BigGAN-PyTorch, ch = 96 at 128 x 128: 70.43M in G and 87.98M in D."""
    assert counts("biggan", 128, 1000, SHARED, z_dim=120, width=96) == (70_433_988, 87_982_370)


@pytest.mark.parametrize(
    ("size", "width", "g", "d"),
    [
        (128, 96, 70_433_988, 87_983_370),
        (64, 96, 70_377_348, 45_512_970),
        (128, 64, 31_978_628, 39_449_258),
        (64, 64, 31_969_540, 20_572_842),
    ],
)
def test_biggan_has_the_parameters_counted_in_a_copy_of_its_authors_code(
    size: int, width: int, g: int, d: int
) -> None:
    """D of that copy has a linear layer to 1000 classes with a bias instead of the projection."""
    built = counts("biggan", size, 1000, SHARED, z_dim=120, width=width)
    assert built == (g, d - 1000)


@pytest.mark.parametrize(("width", "g"), [(96, 9_650_436), (64, 4_567_556)])
def test_biggans_g_at_32_has_the_parameters_counted_there_too(width: int, g: int) -> None:
    """D of that copy has attention after each of its four blocks, by mistake: 10,575,213."""
    own_g, own_d = counts("biggan", 32, 1000, SHARED, z_dim=120, width=width)
    assert own_g == g
    channels = 4 * width
    attention = channels * channels * (1 / 8 + 1 / 8 + 1 / 2 + 1 / 2) + 1
    if width == 96:
        assert own_d + 3 * attention + 1000 == 10_575_213


@pytest.mark.parametrize(
    ("schemes", "width", "hierarchical", "z_dim", "millions"),
    [
        (["cbn", "projection"], 64, False, 128, 81.5),
        (["cbn", "projection"], 96, False, 128, 173.5),
        (SHARED, 96, False, 128, 160.6),
        (SHARED, 96, True, 120, 158.3),
        (SHARED, 64, True, 120, 71.3),
    ],
)
def test_biggan_has_the_parameters_of_table_1_without_the_shared_embedding(
    schemes: list[str], width: int, hierarchical: bool, z_dim: int, millions: float
) -> None:
    g, d = counts("biggan", 128, 1000, schemes, z_dim=z_dim, width=width, hierarchical=hierarchical)
    left_out = EMBEDDING if "shared-embedding" in schemes else 0
    assert round((g + d - left_out) / 1e6, 1) == millions


def test_sagan_has_the_parameters_of_the_baseline_in_biggans_table_1() -> None:
    """81.5M, with the attention of SAGAN at 32 x 32."""
    g, d = counts("sagan", 128, 1000, ["cbn", "projection"], z_dim=128)
    assert round((g + d) / 1e6, 1) == 81.5


# ----------------------------------------------------- SNGAN: the sums of its tables


def conv(before: int, after: int, kernel: int) -> int:
    return before * after * kernel**2 + after


def sngan_g(channels: list[int], classes: int) -> int:
    """Return the sum of table 4 or 6, with a gain and a bias per class at both norms of a block."""
    total = (128 + 1) * channels[0] * 4 * 4
    for before, after in pairwise(channels):
        total += conv(before, after, 3) + conv(after, after, 3) + conv(before, after, 1)
        total += 2 * classes * (before + after)
    return total + 2 * channels[-1] + conv(channels[-1], 3, 3)


def sngan_d(channels: list[int], classes: int, *, without_shortcut: int) -> int:
    """Return the sum of table 4 or 6.

    The hidden layer of the first block is as wide as its output, those of the others as the input.
    """
    total = conv(3, channels[0], 3) + conv(channels[0], channels[0], 3) + conv(3, channels[0], 1)
    for before, after in pairwise(channels):
        total += conv(before, before, 3) + conv(before, after, 3) + conv(before, after, 1)
    total -= without_shortcut * conv(channels[-1], channels[-1], 1)
    return total + channels[-1] + 1 + classes * channels[-1]


@pytest.mark.parametrize(
    ("size", "classes", "of_g", "of_d", "without_shortcut"),
    [
        (32, 10, [256] * 4, [128] * 4, 2),
        (64, 1000, [1024, 512, 256, 128, 64], [64, 128, 256, 512, 1024], 0),
        (128, 1000, [1024, 1024, 512, 256, 128, 64], [64, 128, 256, 512, 1024, 1024], 1),
    ],
)
def test_sngan_has_the_parameters_of_its_tables(
    size: int, classes: int, of_g: list[int], of_d: list[int], without_shortcut: int
) -> None:
    expected = (
        sngan_g(of_g, classes),
        sngan_d(of_d, classes, without_shortcut=without_shortcut),
    )
    assert counts("sngan", size, classes, ["cbn", "projection"], z_dim=128) == expected
    assert size != 32 or expected == (4_304_387, 1_055_105)
