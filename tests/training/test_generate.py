"""Noise by index, networks that draw noise themselves, and standing statistics."""

from __future__ import annotations

import copy

import pytest
import torch
from scipy.stats import kstest
from torch import Tensor, nn

from ganlab.training.generate import (
    BATCH,
    STANDING_BATCHES,
    Bn,
    generate_images,
    noise,
    standing_batches,
)

Z_DIM = 4


class Network(nn.Module):
    """A linear layer of noise and label, batch normalisation if wanted, and a small picture."""

    def __init__(self, *, norm: bool = True) -> None:
        super().__init__()
        self.linear = nn.Linear(Z_DIM + 1, 4)
        self.norm = nn.BatchNorm1d(4, momentum=0.3) if norm else nn.Identity()
        self.dropout = nn.Dropout(0.5)

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        h = self.linear(torch.cat([z, y[:, None].to(z)], 1))
        return torch.tanh(self.dropout(self.norm(h))).view(-1, 1, 2, 2)


@pytest.fixture
def network() -> Network:
    """A network in training mode, whose running statistics are far from any batch's."""
    torch.manual_seed(0)
    network = Network()
    nn.init.uniform_(network.norm.weight, 0.2, 0.6)
    network.norm.running_mean.fill_(3)  # type: ignore[union-attr]
    return network


# -------------------------------------------------------------------------------------- noise


@pytest.mark.parametrize("z_dim", [1, 3, 128])
def test_a_row_of_noise_depends_on_its_index_only(z_dim: int) -> None:
    most = noise(600, z_dim, seed=3)
    for n in (0, 1, 2, 15, 16, 17, 255, 256, 257, 599):
        assert torch.equal(noise(n, z_dim, seed=3), most[:n]), n
    for first in (1, 255, 256, 300, 512):
        assert torch.equal(noise(88, z_dim, seed=3, first=first), most[first : first + 88]), first


def test_noise_is_standard_normal_and_seeds_and_blocks_have_nothing_in_common() -> None:
    z = noise(20_000, 8, seed=0)
    assert (z.dtype, z.shape) == (torch.float32, (20_000, 8))
    assert kstest(z.flatten().numpy(), "norm").pvalue > 0.01
    assert z.T.corrcoef().fill_diagonal_(0).abs().max() < 0.03
    assert len(z.unique(dim=0)) == 20_000
    others = [noise(1000, 8, seed=seed) for seed in (1, -1, 2**70)]
    for other in others:
        assert abs(torch.stack([z[:1000].flatten(), other.flatten()]).corrcoef()[0, 1]) < 0.05


def test_noise_is_the_same_everywhere() -> None:
    expected = [[-1.230256, -0.764134, 0.230802], [-1.044951, 0.806874, 1.474213]]
    torch.testing.assert_close(noise(2, 3, seed=5, first=255), torch.tensor(expected))


class Noisy(nn.Module):
    """Draws one number for each pixel itself, and counts the batches that it is given."""

    def __init__(self, *, draws: bool = True) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(0.1))
        self.draws = draws
        self.batches: list[int] = []

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        self.batches.append(len(z))
        h = self.scale * z.view(-1, 1, 2, 2)
        return h + 0.3 * torch.randn_like(h) if self.draws else h


def test_what_a_network_draws_itself_does_not_depend_on_how_many_are_drawn() -> None:
    network = Noisy()
    z, y = noise(2 * BATCH + 40, Z_DIM, seed=0), torch.zeros(2 * BATCH + 40, dtype=torch.long)
    most = generate_images(network, z, y)
    assert network.batches == [BATCH, BATCH, 40, BATCH]
    for n in (1, 2, 16, 17, BATCH - 1, BATCH, BATCH + 1):
        assert torch.equal(generate_images(network, z[:n], y[:n]), most[:n]), n
    part = generate_images(network, z[BATCH:], y[BATCH:], first=BATCH)
    assert torch.equal(part, most[BATCH:])
    quiet = most - generate_images(Noisy(draws=False), z, y)
    assert not torch.equal(quiet[:BATCH], quiet[BATCH : 2 * BATCH])


def test_a_network_that_draws_nothing_is_not_given_more_than_is_asked_for() -> None:
    network = Noisy(draws=False)
    generate_images(network, noise(BATCH + 3, Z_DIM, seed=0), torch.zeros(BATCH + 3).long())
    assert network.batches == [BATCH, 3]


# ------------------------------------------------------------------------ statistics and modes


@pytest.mark.parametrize("bn", ["running", "batch", "standing"])
def test_modes_statistics_and_random_states_are_left_as_they_were(network: Network, bn: Bn) -> None:
    network.norm.eval()  # a mode of its own
    modes = [module.training for module in network.modules()]
    before, state = copy.deepcopy(network.state_dict()), torch.get_rng_state()
    generate_images(network, noise(10, Z_DIM, seed=0), torch.arange(10) % 3, bn=bn)
    assert [module.training for module in network.modules()] == modes
    assert torch.equal(state, torch.get_rng_state())
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_standing_statistics_are_the_mean_of_those_of_many_batches(network: Network) -> None:
    labels = torch.arange(3).repeat(20)
    z = noise(60, Z_DIM, seed=7)
    batches = list(standing_batches(Z_DIM, labels))
    assert len(batches) == STANDING_BATCHES
    hidden = [network.linear(torch.cat([of_z, of_y[:, None].float()], 1)) for of_z, of_y in batches]
    mean = torch.stack([h.mean(0) for h in hidden]).mean(0)
    variance = torch.stack([h.var(0) for h in hidden]).mean(0)
    h = network.linear(torch.cat([z, labels[:, None].float()], 1))
    norm = network.norm
    scaled = (h - mean) / (variance + norm.eps).sqrt() * norm.weight + norm.bias  # type: ignore[operator]
    expected = (torch.tanh(scaled).view(-1, 1, 2, 2) + 1) * 127.5
    images = generate_images(network, z, labels, bn="standing")
    assert (images.double() - expected.double()).abs().max() < 0.51
    assert not torch.equal(images, generate_images(network, z, labels))


def test_batches_of_sorted_labels_hold_every_class(network: Network) -> None:
    labels = torch.arange(10).repeat_interleave(100)
    batches = [y for _, y in standing_batches(Z_DIM, labels)]
    assert all(len(y.unique()) == 10 for y in batches)
    counts = torch.cat(batches).bincount()
    assert counts.max() - counts.min() <= 100
    # Fewer labels than a batch has are taken in turn.
    few = torch.cat([y for _, y in standing_batches(Z_DIM, torch.tensor([0, 1, 2]))]).bincount()
    assert few.max() - few.min() <= 1


def test_drawing_with_standing_statistics_leaves_the_network_as_it_was(network: Network) -> None:
    before = copy.deepcopy(network.state_dict())
    state = torch.get_rng_state()
    z, labels = noise(10, Z_DIM, seed=0), torch.arange(10) % 3
    first = generate_images(network, z, labels, bn="standing")
    assert all(module.training for module in network.modules())
    assert torch.equal(state, torch.get_rng_state())
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name]), name
    torch.randn(3)
    assert torch.equal(first, generate_images(network, z, labels, bn="standing"))


def test_without_batch_normalisation_all_statistics_give_the_same_images() -> None:
    torch.manual_seed(0)
    network = Network(norm=False)
    z, labels = noise(10, Z_DIM, seed=0), torch.arange(10) % 3
    running, batch, standing = (
        generate_images(network, z, labels, bn=bn)  # type: ignore[arg-type]
        for bn in ("running", "batch", "standing")
    )
    assert torch.equal(running, standing)
    assert torch.equal(running, batch)
