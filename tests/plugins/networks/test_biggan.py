"""The path of the noise and the label through BigGAN's generator."""

from __future__ import annotations

import pytest
import torch

from tests.plugins.networks.helpers import PLUGINS, SHARED, generator, spec_of

Y = torch.tensor([2, 0])


@pytest.mark.parametrize(("size", "blocks"), [(16, 2), (32, 3), (64, 4), (128, 5)])
def test_a_chunk_of_noise_reaches_the_first_layer_or_the_norm_sites_of_one_block(
    size: int, blocks: int
) -> None:
    G = generator("biggan", spec_of(size), SHARED, z_dim=4 * (blocks + 1) + 1, width=1)
    z = torch.randn(2, 4 * (blocks + 1) + 1)
    before = G.map(z, Y)
    assert before.w.shape == (2, 4 + 1)  # the first layer also gets the remainder
    assert [style.shape for style in before.style] == [(2, 128 + 4)] * (2 * blocks)
    sites = [m for name, m in G.named_modules() if name.endswith(("norm1", "norm2"))]
    assert len(sites) == len(before.style)
    for number in range(blocks + 1):
        start, stop = (0, 5) if number == 0 else (1 + 4 * number, 5 + 4 * number)
        changed = z.clone()
        changed[:, start:stop] += 1
        after = G.map(changed, Y)
        assert torch.equal(before.w, after.w) == (number != 0)
        same = [torch.equal(b, a) for b, a in zip(before.style, after.style, strict=True)]
        block_of_site = [1 + site // 2 for site in range(2 * blocks)]
        assert same == [block != number for block in block_of_site]
        assert not torch.equal(G.eval()(z, Y), G.eval()(changed, Y))


def test_the_style_of_a_site_is_the_class_embedding_followed_by_the_chunk() -> None:
    G = generator("biggan", spec_of(), SHARED, z_dim=6, width=1)
    table = G.style.table.detach()  # type: ignore[union-attr, operator]
    z = torch.randn(2, 6)
    styles = G.map(z, Y).style
    for site, chunk in enumerate([z[:, 2:4], z[:, 2:4], z[:, 4:6], z[:, 4:6]]):
        torch.testing.assert_close(styles[site], torch.cat([table[[2, 0]], chunk], dim=1))


def test_each_norm_site_gets_its_own_style() -> None:
    G = generator("biggan", spec_of(), SHARED, z_dim=6, width=1).eval()
    latents = G.map(torch.randn(2, 6), Y)
    got: list[torch.Tensor] = []
    for name, module in G.named_modules():
        if name.endswith(("norm1", "norm2")):
            module.register_forward_hook(lambda _m, args, _o: got.append(args[1]))
    styles = [style + i for i, style in enumerate(latents.style)]
    G.synthesize(latents._replace(style=styles))
    assert len(got) == 4
    assert all(a is b for a, b in zip(got, styles, strict=True))


def test_without_hierarchical_noise_the_first_layer_gets_all_of_it() -> None:
    G = generator("biggan", spec_of(), SHARED, z_dim=6, width=1, hierarchical=False)
    z = torch.randn(2, 6)
    latents = G.map(z, Y)
    assert torch.equal(latents.w, z)
    assert [style.shape for style in latents.style] == [(2, 128)] * 4


def test_shared_embedding_is_orthogonal_and_averages_for_soft_labels() -> None:
    component = PLUGINS.find("conditioning", "shared-embedding").component(size=5)
    style = component.style(7, spec_of())
    assert style.out_features == 5
    table = style.table.detach()
    torch.testing.assert_close(table @ table.T, torch.eye(3), rtol=0, atol=1e-6)
    torch.testing.assert_close(style(torch.randn(2, 7), Y), table[[2, 0]])
    mixed = style(torch.randn(1, 7), torch.tensor([[0.5, 0.0, 0.5]]))
    torch.testing.assert_close(mixed[0], (table[0] + table[2]) / 2)
