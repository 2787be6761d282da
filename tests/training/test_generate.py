"""Standing statistics of batch normalisation: what they are, and that they leave no trace."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from ganlab.training.generate import STANDING_BATCHES, generate_images, noise, standing_batches

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
