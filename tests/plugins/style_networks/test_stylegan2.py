"""The networks of StyleGAN2: parameter counts, styles, noise, truncation."""

from __future__ import annotations

import pytest
import torch

from ganlab.sites import Sites
from ganlab.training.generate import generate_images
from ganlab.training.model import parameter_count
from tests.plugins.stand import part
from tests.plugins.style_networks.nets import Z, discriminator, generator, spec_of


@pytest.mark.parametrize(
    ("size", "options", "mapping_layers", "g_count", "d_count"),
    [
        # The counts that NVIDIA's stylegan2-ada-pytorch prints for unconditional colour images: at
        # 32 x 32 with --cfg=stylegan2, at 64 x 64 with --cfg=auto.
        (32, {}, 8, 21_523_475, 21_507_073),
        (64, {"channel_base": 16384}, 2, 22_243_608, 23_407_361),
    ],
)
def test_parameter_counts_equal_those_of_nvidias_code(
    size: int, options: dict[str, int], mapping_layers: int, g_count: int, d_count: int
) -> None:
    spec = spec_of(size, 3)
    with torch.device("meta"):
        G = part("generator", "stylegan2", mapping_layers=mapping_layers, **options)
        D = part("discriminator", "stylegan2", **options)
        g = G.build(512, spec, Sites("generator", [], spec))
        d = D.build(spec, Sites("discriminator", [], spec))
    assert parameter_count(g.parameters()) == g_count
    assert parameter_count(d.parameters()) == d_count


def test_without_shortcuts_d_has_fewer_parameters_by_those_of_the_shortcuts() -> None:
    residual, plain = discriminator("stylegan2"), discriminator("stylegan2", residual=False)
    shortcuts = 2 * 8 * 8  # 16 to 8 and 8 to 4, eight channels
    counts = [parameter_count(network.parameters()) for network in (residual, plain)]
    assert counts[0] - counts[1] == shortcuts


def test_map_returns_a_w_per_layer_and_all_are_equal_without_mixing() -> None:
    g = generator("stylegan2", spec=spec_of(32))
    latents = g.map(torch.randn(5, Z), torch.arange(5) % 3)
    assert latents.w.shape == (5, 8, 8)  # 2 log2(32) - 2 layers
    assert torch.equal(latents.w, latents.w[:, :1].expand(-1, 8, -1))


def test_every_w_reaches_the_image() -> None:
    g = generator("stylegan2").eval()
    latents = g.map(torch.randn(2, Z), torch.tensor([0, 1]))
    base = g.synthesize(latents)
    for layer in range(latents.w.shape[1]):
        w = latents.w.clone()
        w[:, layer] += 1
        assert not torch.equal(g.synthesize(latents._replace(w=w)), base), layer


def test_noise_and_label_are_normalised_separately_before_the_mapping() -> None:
    g = generator("stylegan2", part("conditioning", "concat", embedding=4)).eval()
    z, y = torch.randn(3, Z), torch.tensor([0, 1, 2])
    plain = g.map(z, y).w
    torch.testing.assert_close(g.map(7 * z, y).w, plain)
    with torch.no_grad():
        g.latent.links[0].code.embed.table.weight.mul_(5)
    torch.testing.assert_close(g.map(z, y).w, plain)
    assert not torch.allclose(g.map(z, torch.tensor([1, 2, 0])).w, plain)


def test_mixing_replaces_w_of_later_layers_for_a_fraction_of_the_images() -> None:
    g = generator("stylegan2", style_mixing=0.5, spec=spec_of(32))
    z = torch.randn(1, Z).expand(400, -1)
    y = torch.zeros(400, dtype=torch.long)
    w = g.map(z, y).w
    own = (w == g.eval().map(z, y).w).all(2)  # (N, L): True where w is that of z
    mixed = ~own.all(1)
    assert 0.4 < mixed.float().mean() < 0.6
    assert own[:, 0].all()
    switches = (own[:, 1:] != own[:, :-1]).sum(1)
    assert torch.equal(switches, mixed.long())
    starts = own[mixed].sum(1)
    assert set(starts.tolist()) == set(range(1, 8))


def test_mixing_acts_only_in_training_and_is_off_by_default() -> None:
    z, y = torch.randn(4, Z), torch.zeros(4, dtype=torch.long)
    mixing, plain = generator("stylegan2", style_mixing=1.0), generator("stylegan2")
    assert not torch.equal(mixing.map(z, y).w, plain.map(z, y).w)
    assert torch.equal(mixing.eval().map(z, y).w, plain.map(z, y).w)


def test_w_avg_is_the_running_mean_of_w_only_in_training() -> None:
    g = generator("stylegan2", part("conditioning", "concat"))
    expected = torch.zeros(8)
    for _ in range(3):
        z, y = torch.randn(5, Z), torch.randint(3, (5,))
        w = g.map(z, y).w[:, 0]
        expected = 0.995 * expected + 0.005 * w.detach().mean(0)
    torch.testing.assert_close(g.w_avg, expected)
    before = g.w_avg.clone()
    g.eval().map(z, y)
    assert torch.equal(g.w_avg, before)


def test_truncation_pulls_w_to_its_mean() -> None:
    g = generator("stylegan2", part("conditioning", "concat")).eval()
    g.w_avg.copy_(torch.randn(8))
    z, y = torch.randn(4, Z), torch.tensor([0, 1, 2, 0])
    full = g.map(z, y)
    assert torch.equal(g.truncated(z, y, 1.0).w, full.w)
    assert torch.equal(g.truncated(z, y, 0.0).w, g.w_avg.expand(4, 6, 8))
    half = g.truncated(z, y, 0.5)
    torch.testing.assert_close(half.w, (full.w + g.w_avg) / 2)
    assert torch.equal(half.style, full.style)
    images = g.synthesize(g.truncated(z, y, 0.0))
    torch.testing.assert_close(images, images[:1].expand_as(images), atol=1e-5, rtol=0)
    # The label still determines the style of the norm sites.
    g = generator("stylegan2", part("conditioning", "film")).eval()
    images = g.synthesize(g.truncated(z, y, 0.0))
    assert not torch.allclose(images[0], images[1], atol=1e-5)
    torch.testing.assert_close(images[0], images[3], atol=1e-5, rtol=0)


def test_noise_is_random_in_training_and_fixed_in_eval_mode() -> None:
    g = generator("stylegan2")
    z, y = torch.randn(2, Z), torch.tensor([0, 1])
    assert not torch.equal(g(z, y), g(z, y))
    g.eval()
    assert torch.equal(g(z, y), g(z, y))
    other = generator("stylegan2")
    other.load_state_dict(g.state_dict())
    assert torch.equal(other.eval()(z, y), g(z, y))


def test_noise_is_multiplied_by_a_strength_that_starts_at_0() -> None:
    torch.manual_seed(0)
    spec = spec_of(16)
    g = part("generator", "stylegan2", style_dim=8, channel_max=8).build(
        Z, spec, Sites("generator", [], spec)
    )
    z, y = torch.randn(2, Z), torch.tensor([0, 1])
    assert torch.equal(g(z, y), g(z, y))
    g(z, y).square().sum().backward()
    strengths = [p for name, p in g.named_parameters() if name.endswith("strength")]
    assert len(strengths) == 5
    assert all(p == 0 and p.grad != 0 for p in strengths)


def test_an_image_does_not_depend_on_its_batch() -> None:
    g = generator("stylegan2", part("conditioning", "concat")).eval()
    z, y = torch.randn(7, Z), torch.arange(7) % 3
    together = g(z, y)
    for n in range(7):
        torch.testing.assert_close(
            g(z[n : n + 1], y[n : n + 1]), together[n : n + 1], atol=1e-5, rtol=1e-5
        )
    g.train()
    assert torch.equal(generate_images(g, z, y), generate_images(g, z, y))


def test_d_depends_on_the_variation_in_the_batch() -> None:
    d = discriminator("stylegan2")
    x, y = torch.randn(4, 1, 16, 16), torch.zeros(4, dtype=torch.long)
    same = x[:1].expand(4, -1, -1, -1)
    assert not torch.allclose(d(x, y).logit[0], d(same, y).logit[0])
    alone = discriminator("stylegan2", group_size=1)
    torch.testing.assert_close(alone(x, y).logit[0], alone(same, y).logit[0])
