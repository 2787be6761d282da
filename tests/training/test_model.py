"""What is built, averaged, frozen and placed."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from ganlab.config.resolve import resolve
from ganlab.plugins import Plugins
from ganlab.training.model import build_model, update_average
from ganlab.training.precision import Choices, choose
from ganlab.types import DataSpec
from tests.conftest import EXPERIMENT, TINY

CPU = torch.device("cpu")


def test_an_average_is_the_closed_form_and_copies_statistics() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    average = copy.deepcopy(network)
    start = average[0].weight.detach().clone()
    with torch.no_grad():
        network[0].weight.add_(1)
        network[1].running_mean.fill_(5)
        network[1].num_batches_tracked.fill_(7)
    for _ in range(3):
        update_average(average, network, 0.9)
    torch.testing.assert_close(average[0].weight, start + 1 - 0.9**3)
    assert average[1].running_mean.tolist() == [5, 5]
    assert average[1].num_batches_tracked == 7


def test_an_averaged_spectral_norm_keeps_singular_vectors_of_its_own() -> None:
    torch.manual_seed(0)
    network = spectral_norm(nn.Linear(20, 20))
    average = copy.deepcopy(network)
    for _ in range(300):
        with torch.no_grad():
            network.parametrizations.weight.original.add_(0.05 * torch.randn(20, 20))
        update_average(average, network, 0.98)
    average.eval()
    for _ in range(100):  # the weights stand still now: let the power iteration arrive
        update_average(average, average, 0.98)
    average.eval()
    sigma = torch.linalg.matrix_norm(average.weight.detach(), 2).item()
    assert sigma == pytest.approx(1, abs=1e-3)


def test_channels_last_leaves_other_ranks_alone() -> None:
    module = nn.Module()
    module.conv = nn.Conv2d(3, 4, 3)
    module.five = nn.Parameter(torch.zeros(1, 2, 3, 4, 5))
    placed = Choices(CPU, "fp32", channels_last=True).place(module)
    assert placed.conv.weight.is_contiguous(memory_format=torch.channels_last)
    assert placed.five.is_contiguous()


def test_initial_weights_and_states_follow_from_the_seed_alone() -> None:
    plugins = Plugins()
    plugins.load_folder(TINY)
    spec = DataSpec(4, 16, 1, ("dark", "dim", "light", "bright"))
    states = []
    for noise in (1, 2):
        torch.manual_seed(noise)
        experiment = resolve(EXPERIMENT, plugins)
        model = build_model(experiment, spec, choose(experiment.train))
        states.append(
            {
                f"{m}/{k}": v
                for m, module in model.modules().items()
                for k, v in module.state_dict().items()
            }
        )
    assert any(name.startswith("regularizers.tiny/") for name in states[0])
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name]), name


def test_states_have_the_type_of_the_weights() -> None:
    plugins = Plugins()
    plugins.load_folder(TINY)
    spec = DataSpec(4, 16, 1, ("dark", "dim", "light", "bright"))
    experiment = resolve(EXPERIMENT, plugins).with_train(precision="fp64")
    model = build_model(experiment, spec, choose(experiment.train))
    assert model.modules()["regularizers.tiny"].mean.dtype == torch.float64
