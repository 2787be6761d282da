"""The default experiment equals the document's CGAN in every layer and every number."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ganlab.config.resolve import resolve
from ganlab.data.batches import Batches
from ganlab.plugins import Plugins, load_plugins
from ganlab.run_directory import Progress
from ganlab.training.loop import advanced
from ganlab.training.model import Model, build_model
from ganlab.training.precision import choose
from ganlab.types import DataSpec, Prepared
from tests.training.helpers import iterate_once

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def plugins() -> Plugins:
    return load_plugins()


# ------------------------------------------------- the document, transcribed without ganlab


class DocumentGenerator(nn.Module):
    """Noise and one-hot label, viewed as (N, nz + nc, 1, 1)."""

    def __init__(self, nz: int, nc: int, ngf: int, channels: int) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.ConvTranspose2d(nz + nc, ngf * 8, 4, 1, 0, bias=False),
            nn.BatchNorm2d(ngf * 8),
            nn.ReLU(True),
            nn.ConvTranspose2d(ngf * 8, ngf * 4, 4, 2, 1, bias=False),
            nn.BatchNorm2d(ngf * 4),
            nn.ReLU(True),
            nn.ConvTranspose2d(ngf * 4, ngf * 2, 4, 2, 1, bias=False),
            nn.BatchNorm2d(ngf * 2),
            nn.ReLU(True),
            nn.ConvTranspose2d(ngf * 2, ngf, 4, 2, 1, bias=False),
            nn.BatchNorm2d(ngf),
            nn.ReLU(True),
            nn.ConvTranspose2d(ngf, channels, 4, 2, 1, bias=False),
            nn.Tanh(),
        )

    def forward(self, z: Tensor, c: Tensor) -> Tensor:
        joined = torch.cat([z, c], 1)
        return self.main(joined.view(joined.shape[0], -1, 1, 1))


class DocumentDiscriminator(nn.Module):
    """An image and label planes, to a probability."""

    def __init__(self, nc: int, ndf: int, channels: int) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(channels + nc, ndf, 4, 2, 1, bias=False),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(ndf, ndf * 2, 4, 2, 1, bias=False),
            nn.BatchNorm2d(ndf * 2),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(ndf * 2, ndf * 4, 4, 2, 1, bias=False),
            nn.BatchNorm2d(ndf * 4),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(ndf * 4, ndf * 8, 4, 2, 1, bias=False),
            nn.BatchNorm2d(ndf * 8),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(ndf * 8, 1, 4, 1, 0, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        planes = c.view(c.shape[0], -1, 1, 1).expand(-1, -1, x.shape[2], x.shape[3])
        return self.main(torch.cat([x, planes], 1)).view(-1)


@dataclass
class Document:
    """The document's training step."""

    G: DocumentGenerator
    D: DocumentDiscriminator

    def __post_init__(self) -> None:
        self.optimizer_g = torch.optim.Adam(self.G.parameters(), lr=0.0002, betas=(0.5, 0.999))
        self.optimizer_d = torch.optim.Adam(self.D.parameters(), lr=0.0002, betas=(0.5, 0.999))

    def step(self, x: Tensor, y: Tensor, z: Tensor, fake_y: Tensor) -> dict[str, float]:
        criterion = nn.BCELoss()
        one, zero = torch.ones(len(x)).to(x), torch.zeros(len(x)).to(x)
        c, fake_c = (torch.eye(10).to(x)[labels] for labels in (y, fake_y))

        self.D.zero_grad()
        on_real = self.D(x, c)
        loss_real = criterion(on_real, one)
        loss_real.backward()
        fake = self.G(z, fake_c)
        on_fake = self.D(fake.detach(), fake_c)
        loss_fake = criterion(on_fake, zero)
        loss_fake.backward()
        self.optimizer_d.step()

        self.G.zero_grad()
        after = self.D(fake, fake_c)
        loss_g = criterion(after, one)
        loss_g.backward()
        self.optimizer_g.step()
        return {
            "loss_d": (loss_real + loss_fake).item(),
            "loss_g": loss_g.item(),
            "d_real": on_real.mean().item(),
            "d_fake_before": on_fake.mean().item(),
            "d_fake_after": after.mean().item(),
        }


# ------------------------------------------------------------------------------- the tests


def default_experiment(plugins: Plugins, **train: Any) -> Any:
    return resolve(
        {
            "name": "parity",
            "dataset": {"type": "mnist", "image_size": 64},
            "generator": "dcgan",
            "discriminator": "dcgan",
            "conditioning": "concat",
            "loss": "bce",
            "optimizer": {"type": "adam", "lr": 2e-4, "betas": [0.5, 0.999]},
            "train": {"steps": 3, "precision": "fp64", "device": "cpu", **train},
        },
        plugins,
    )


def copied(model: Model) -> Document:
    """Build the document's networks with ganlab's weights, in order and reshaped if necessary."""
    document = Document(
        DocumentGenerator(100, 10, 64, 1).double(), DocumentDiscriminator(10, 64, 1).double()
    )
    for ours, theirs in ((model.G, document.G), (model.D, document.D)):
        for (_, mine), (_, other) in zip(ordered(ours), ordered(theirs), strict=True):
            other.data.copy_(mine.reshape(other.shape))
    return document


def ordered(network: nn.Module) -> list[tuple[str, Tensor]]:
    """Return parameters and buffers: first the convolutions in order, then the normalisations."""
    convolutions, rest = [], []
    for name, module in network.named_modules():
        own = [(f"{name}.{key}", value) for key, value in module.named_parameters(recurse=False)]
        own += [(f"{name}.{key}", value) for key, value in module.named_buffers(recurse=False)]
        is_norm = isinstance(module, nn.modules.batchnorm._BatchNorm)
        (rest if is_norm else convolutions).extend(own)
    return convolutions + rest


def test_three_iterations_equal_the_documents_to_1e_10_in_losses_weights_and_buffers(
    plugins: Plugins,
) -> None:
    experiment = default_experiment(plugins, batch_size=4)
    spec = DataSpec(10, 64, 1, tuple("0123456789"))
    model = build_model(experiment, spec, choose(experiment.train))
    document = copied(model)
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(256, (12, 1, 64, 64), generator=generator, dtype=torch.uint8)
    data = Prepared(images, torch.arange(12) % 10, spec, "sha", "random")
    batches = Batches(data, batch_size=4, seed=0, device=torch.device("cpu"), dtype=torch.float64)

    at = Progress()
    for i in range(3):
        torch.manual_seed(i)
        ours = iterate_once(model, batches, at, experiment.train)
        torch.manual_seed(i)
        fake_y = torch.randint(10, (4,))
        z = torch.randn(4, 100, dtype=torch.float64)
        theirs = document.step(*batches.batch(i), z, fake_y)
        at = advanced(at, experiment.train, dataset_size=12, seconds=0)
        for name, value in theirs.items():
            assert ours[name].item() == pytest.approx(value, abs=1e-10), (i, name)

    for ours_net, theirs_net in ((model.G, document.G), (model.D, document.D)):
        for (name, mine), (_, other) in zip(ordered(ours_net), ordered(theirs_net), strict=True):
            difference = (mine.double().reshape(other.shape) - other.double()).abs().max().item()
            assert difference < 1e-10, name


def test_batch_statistics_of_d_are_updated_three_times_per_iteration_and_of_g_once(
    plugins: Plugins,
) -> None:
    experiment = default_experiment(plugins, batch_size=4)
    spec = DataSpec(10, 64, 1, tuple("0123456789"))
    model = build_model(experiment, spec, choose(experiment.train))
    data = Prepared(
        torch.zeros(4, 1, 64, 64, dtype=torch.uint8), torch.arange(4), spec, "sha", "zeros"
    )
    batches = Batches(data, batch_size=4, seed=0, device=torch.device("cpu"), dtype=torch.float64)
    iterate_once(model, batches, Progress(), experiment.train)
    counts = {
        role: {int(b) for name, b in net.named_buffers() if name.endswith("num_batches_tracked")}
        for role, net in model.networks.items()
    }
    assert counts == {"discriminator": {3}, "generator": {1}}


def test_layers_have_the_documents_shapes(plugins: Plugins) -> None:
    experiment = default_experiment(plugins)
    model = build_model(
        experiment, DataSpec(10, 64, 1, tuple("0123456789")), choose(experiment.train)
    )
    shapes = {
        role: [tuple(p.shape) for _, p in network.named_parameters() if p.dim() > 1]
        for role, network in model.networks.items()
    }
    assert shapes == {
        "generator": [
            (110, 512, 4, 4),
            (512, 256, 4, 4),
            (256, 128, 4, 4),
            (128, 64, 4, 4),
            (64, 1, 4, 4),
        ],
        "discriminator": [
            (64, 11, 4, 4),
            (128, 64, 4, 4),
            (256, 128, 4, 4),
            (512, 256, 4, 4),
            (1, 512 * 4 * 4),
        ],
    }
    assert not [
        n
        for net in model.networks.values()
        for n, _ in net.named_parameters()
        if n.endswith("bias") and "norm" not in n and "layers" not in n
    ]


def test_weights_are_initialised_like_dcgan(plugins: Plugins) -> None:
    experiment = default_experiment(plugins)
    model = build_model(
        experiment, DataSpec(10, 64, 1, tuple("0123456789")), choose(experiment.train)
    )
    for network in model.networks.values():
        for module in network.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
                assert module.bias is None
                assert abs(module.weight.mean().item()) < 0.003
                assert module.weight.std().item() == pytest.approx(0.02, rel=0.1)
            elif isinstance(module, nn.modules.batchnorm._BatchNorm):
                assert module.weight.mean().item() == pytest.approx(1, abs=0.01)
                assert module.weight.std().item() == pytest.approx(0.02, rel=0.35)
                assert not module.bias.any()


def test_the_shipped_experiment_equals_the_document(plugins: Plugins) -> None:
    from ganlab.config.resolve import load_experiment

    experiment = load_experiment(REPOSITORY / "experiments" / "cgan_mnist.yaml", plugins).experiment
    resolved = experiment.resolved()
    adam = {
        "type": "adam",
        "lr": 2e-4,
        "weight_decay": 0.0,
        "betas": [0.5, 0.999],
        "eps": 1e-8,
    }
    assert resolved["optimizer"] == {"generator": adam, "discriminator": adam}
    assert resolved["generator"] == {"type": "dcgan", "width": 64}
    assert resolved["discriminator"] == {
        "type": "dcgan",
        "width": 64,
        "norm": "batch",
        "bias": None,
    }
    assert experiment.dataset.name == "mnist"
    assert experiment.dataset.image_size == 64
    train = experiment.train
    assert (train.batch_size, train.epochs, train.z_dim, train.d_steps) == (128, 10, 100, 1)
    assert (train.same_fakes, train.fake_labels) == (True, "uniform")
    assert str(train.log_every) == "5 steps"
    assert str(train.sample_every) == "1 epoch"
