"""The modules of the schemes at the sites of G and at D's image site, against closed forms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ganlab.nn import BatchNorm
from tests.plugins.conditioning.helpers import SPEC, scheme

Y = torch.tensor([2, 0, 2])
ROWS = torch.eye(3)[Y]


def affine(layer: Any, s: np.ndarray) -> np.ndarray:
    return s @ layer.weight.detach().numpy().T + layer.bias.detach().numpy()


def spread(values: np.ndarray, like: np.ndarray) -> np.ndarray:
    return values.reshape(*values.shape, *(1,) * (like.ndim - 2))


@pytest.mark.parametrize("shape", [(3, 6, 4, 4), (3, 6)])
def test_adain_normalises_each_channel_of_each_image(shape: tuple[int, ...]) -> None:
    norm: Any = scheme("adain").norm(6, 3, nn.Identity(), SPEC)
    h = (3 + 2 * torch.randn(shape)).numpy()
    axes = (2, 3) if h.ndim == 4 else (1,)
    normal = (h - h.mean(axes, keepdims=True)) / np.sqrt(h.var(axes, keepdims=True) + 1e-5)
    gain, bias = 1 + affine(norm.gamma, ROWS.numpy()), affine(norm.beta, ROWS.numpy())
    expected = spread(gain, h) * normal + spread(bias, h)
    torch.testing.assert_close(norm(torch.tensor(h), ROWS), torch.tensor(expected))


def test_adain_of_an_image_does_not_depend_on_the_batch() -> None:
    norm: Any = scheme("adain").norm(6, 3, nn.Identity(), SPEC)
    h = torch.randn(3, 6, 4, 4)
    torch.testing.assert_close(norm(h, ROWS)[1:2], norm(h[1:2], ROWS[1:2]))


def test_film_scales_and_shifts_the_output_of_the_networks_own_norm() -> None:
    plain = BatchNorm(6)
    nn.init.normal_(plain.weight), nn.init.normal_(plain.bias)
    norm: Any = scheme("film").norm(6, 3, plain, SPEC)
    h = (3 + 2 * torch.randn(3, 6, 4, 4)).numpy()
    normal = (h - h.mean((0, 2, 3), keepdims=True)) / np.sqrt(
        h.var((0, 2, 3), keepdims=True) + 1e-5
    )
    own = [spread(p.detach().numpy()[None], h) for p in (plain.weight, plain.bias)]
    gain, bias = 1 + affine(norm.gamma, ROWS.numpy()), affine(norm.beta, ROWS.numpy())
    expected = spread(gain, h) * (own[0] * normal + own[1]) + spread(bias, h)
    torch.testing.assert_close(
        norm(torch.tensor(h), ROWS), torch.tensor(expected), rtol=1e-4, atol=1e-5
    )


def test_self_modulation_equals_its_equations() -> None:
    part = scheme("self-modulation", hidden=7)
    style, norm = part.style(5, SPEC), part.norm(6, 5, nn.Identity(), SPEC)
    assert style is not None
    z = torch.randn(3, 5)
    tables = [p.detach().numpy() for p in (style.offset.table.weight, style.scale.table.weight)]
    offset, scale = (table[Y.numpy()] for table in tables)
    mixed = z.numpy() + offset + z.numpy() * scale
    torch.testing.assert_close(style(z, Y), torch.tensor(mixed))
    torch.testing.assert_close(style(z, ROWS), torch.tensor(mixed))

    h = (3 + 2 * torch.randn(3, 6, 4, 4)).numpy()
    normal = (h - h.mean((0, 2, 3), keepdims=True)) / np.sqrt(
        h.var((0, 2, 3), keepdims=True) + 1e-5
    )
    module: Any = norm
    inner = np.maximum(0, affine(module.hidden, mixed))
    gain, bias = 1 + affine(module.gamma, inner), affine(module.beta, inner)
    expected = spread(gain, h) * normal + spread(bias, h)
    torch.testing.assert_close(module(torch.tensor(h), torch.tensor(mixed)), torch.tensor(expected))


@pytest.mark.parametrize("name", ["adain", "film", "self-modulation"])
def test_gains_start_around_1_and_biases_around_0_and_differ_with_the_style(name: str) -> None:
    torch.manual_seed(0)
    norm: Any = scheme(name).norm(64, 3, nn.Identity(), SPEC)
    h = torch.randn(3, 64, 4, 4)
    style: Tensor = torch.eye(3)
    inner = torch.relu(norm.hidden(style)) if name == "self-modulation" else style
    assert (1 + norm.gamma(inner)).mean().item() == pytest.approx(1, abs=0.1)
    assert norm.beta(inner).mean().item() == pytest.approx(0, abs=0.1)
    assert not torch.equal(norm(h, style), norm(h, style.roll(1, 0)))


# ------------------------------------------------------------------- latent and image


def test_concat_appends_one_hot_labels_to_noise_and_image_by_default() -> None:
    part: Any = scheme("concat")
    latent, image = part.latent(5, SPEC), part.image(1, SPEC)
    assert (latent.out_features, image.out_channels) == (8, 4)
    assert not list(latent.parameters())
    z, x = torch.randn(3, 5), torch.randn(3, 1, 16, 16)
    assert torch.equal(latent(z, Y), torch.cat([z, ROWS], 1))
    planes = image(x, Y)[:, 1:]
    assert torch.equal(planes, ROWS[:, :, None, None].expand(-1, -1, 16, 16))


def test_concat_appends_learned_vectors_with_an_embedding() -> None:
    part: Any = scheme("concat", embedding=2)
    latent, image = part.latent(5, SPEC), part.image(1, SPEC)
    assert (latent.out_features, image.out_channels) == (7, 3)
    z, x = torch.randn(3, 5), torch.randn(3, 1, 16, 16)
    table = latent.code.embed.table.weight
    for y in (Y, ROWS):
        torch.testing.assert_close(latent(z, y), torch.cat([z, table[Y]], 1))
    own = image.code.embed.table.weight
    assert not torch.equal(own, table)
    planes = image(x, Y)[:, 1:]
    assert torch.equal(planes, own[Y][:, :, None, None].expand(-1, -1, 16, 16))
    soft = torch.tensor([[0.5, 0.5, 0.0]])
    torch.testing.assert_close(latent(z[:1], soft)[0, 5:], (table[0] + table[1]) / 2)


def test_concat_initializes_learned_vectors_with_the_given_standard_deviation() -> None:
    for options, std in (({}, 1.0), ({"std": 0.316}, 0.316)):
        part: Any = scheme("concat", embedding=4000, **options)
        for site in (part.latent(5, SPEC), part.image(1, SPEC)):
            assert site.code.embed.table.weight.std().item() == pytest.approx(std, rel=0.05)


@pytest.mark.parametrize("name", ["cbn", "film", "adain"])
@pytest.mark.parametrize(("style_dim", "std"), [(3, 0.3), (128, 0.02)])
def test_initial_gains_and_biases_vary_more_if_the_style_is_the_label(
    name: str, style_dim: int, std: float
) -> None:
    for options, expected in (({}, std), ({"std": 0.1}, 0.1)):
        norm: Any = scheme(name, **options).norm(2000, style_dim, nn.Identity(), SPEC)
        assert norm.gamma.weight.shape == (2000, style_dim)
        for layer in (norm.gamma, norm.beta):
            assert layer.weight.std().item() == pytest.approx(expected, rel=0.05)
            assert layer.bias is None or not layer.bias.any()


@pytest.mark.parametrize("embedding", [None, 4])
def test_embedding_plane_appends_a_learned_channel(
    embedding: int | None,
) -> None:
    image: Any = scheme("embedding-plane", embedding=embedding).image(1, SPEC)
    assert image.out_channels == 2
    x = torch.randn(3, 1, 16, 16)
    both = image(x, Y)
    assert both.shape == (3, 2, 16, 16)
    assert torch.equal(both[:, :1], x)
    assert torch.equal(both[0, 1], both[2, 1])
    assert not torch.equal(both[0, 1], both[1, 1])
    vectors = image.embed.table.weight.detach().numpy()[Y.numpy()]
    drawn = vectors if embedding is None else affine(image.draw, vectors)
    torch.testing.assert_close(both[:, 1].flatten(1), torch.tensor(drawn))
    torch.testing.assert_close(image(x, ROWS), both)
