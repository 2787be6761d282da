"""Combinations of shipped components, compared with closed forms."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from ganlab.config.resolve import resolve
from ganlab.data.batches import Batches
from ganlab.errors import ConfigError
from ganlab.plugins import Plugins, load_plugins
from ganlab.run_directory import Progress
from ganlab.training.model import Model, build_model
from ganlab.training.precision import choose
from ganlab.types import DataSpec, Prepared
from tests.plugins.stand import small
from tests.training.helpers import iterate_once

CONDITIONING: dict[str, Any] = {
    "concat": "concat",
    "cbn+projection": ["cbn", "projection"],
}
REGULARIZERS: dict[str, list[Any]] = {
    "no regularizer": [],
    "r1": ["r1"],
    "sn": [{"type": "spectral-norm", "network": "both"}],
    "r1+sn": [{"type": "r1", "every": 2}, "spectral-norm"],
}


@pytest.fixture(scope="module")
def plugins() -> Plugins:
    return load_plugins()


def build(
    plugins: Plugins,
    conditioning: str,
    generator: str,
    discriminator: str,
    loss: str,
    regularizers: str,
    *,
    spec: DataSpec | None = None,
    precision: str = "fp32",
) -> tuple[Model, Batches, Any]:
    spec = spec or DataSpec(3, 16, 1, ("a", "b", "c"))
    experiment = resolve(
        {
            "dataset": {"type": "digits", "image_size": spec.image_size},
            "generator": small("generator", generator),
            "discriminator": small("discriminator", discriminator),
            "conditioning": CONDITIONING[conditioning],
            "loss": loss,
            "regularizers": REGULARIZERS[regularizers],
            "train": {
                "steps": 1,
                "batch_size": 4,
                "z_dim": 5,
                "device": "cpu",
                "precision": precision,
            },
        },
        plugins,
    )
    shape = (8, spec.channels, spec.image_size, spec.image_size)
    images = torch.randint(256, shape, generator=torch.Generator().manual_seed(0))
    data = Prepared(images.to(torch.uint8), torch.arange(8) % spec.num_classes, spec, "", "")
    model = build_model(experiment, spec, choose(experiment.train))
    batches = Batches(data, batch_size=4, seed=0, device=torch.device("cpu"))
    return model, batches, experiment.train


def test_two_losses_give_two_updates(plugins: Plugins) -> None:
    weights = []
    for loss in ("bce", "hinge"):
        torch.manual_seed(0)
        model, batches, options = build(plugins, "concat", "dcgan", "dcgan", loss, "r1")
        iterate_once(model, batches, Progress(), options)
        weights.append(model.D.state_dict()["layers.0.weight"])
    assert not torch.equal(*weights)


@pytest.mark.parametrize("size", [16, 32, 64, 128])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("network", ["dcgan", "mlp"])
def test_every_size_from_16_to_128_and_1_or_3_channels_works(
    plugins: Plugins, network: str, channels: int, size: int
) -> None:
    spec = DataSpec(3, size, channels, ("a", "b", "c"))
    model, batches, options = build(
        plugins, "concat", network, network, "bce", "no regularizer", spec=spec
    )
    x = model.G(torch.randn(4, 5), torch.tensor([0, 1, 2, 0]))
    assert x.shape == (4, channels, size, size)
    assert x.abs().max() <= 1
    iterate_once(model, batches, Progress(), options)


@pytest.mark.parametrize(("size", "network"), [(48, "dcgan"), (24, "mlp"), (256, "dcgan")])
def test_an_unsupported_image_size_is_rejected_with_the_supported_sizes(
    plugins: Plugins, size: int, network: str
) -> None:
    with pytest.raises(ConfigError) as error:
        build(
            plugins,
            "concat",
            network,
            network,
            "bce",
            "r1",
            spec=DataSpec(3, size, 1, ("a", "b", "c")),
        )
    reason = f"does not support {size} x {size}; supported: 16, 32, 64, 128"
    assert str(error.value) == (
        "2 problems in the experiment"
        f"\n  dataset.image_size: generator '{network}' {reason}"
        f"\n  dataset.image_size: discriminator '{network}' {reason}"
    )


def test_spectral_norm_gives_every_weight_matrix_a_largest_singular_value_of_1(
    plugins: Plugins,
) -> None:
    model, batches, _ = build(plugins, "cbn+projection", "dcgan", "dcgan", "hinge", "sn")
    x, y = batches.batch(0)
    for _ in range(300):  # the power iteration converges
        model.D(x, y)
        model.G(torch.randn(4, 5), y)
    model.D.eval(), model.G.eval()
    seen = 0
    for network in model.networks.values():
        for module in network.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear | nn.Embedding):
                weight = module.weight.detach()
                if isinstance(module, nn.ConvTranspose2d):
                    weight = weight.transpose(0, 1)
                sigma = torch.linalg.matrix_norm(weight.flatten(1), 2).item()
                assert sigma == pytest.approx(1, abs=1e-3), module
                seen += 1
    # G: 3 convolutions, 2 gains, 2 biases. D: 2 convolutions, the head, the class vectors.
    assert seen == 7 + 4


def test_r1_is_half_gamma_times_the_squared_gradient_norm_at_real_images(plugins: Plugins) -> None:
    model, batches, options = build(plugins, "concat", "mlp", "mlp", "bce", "r1")
    model.D.eval()  # no dropout, so that the closed form below uses the same network
    x, y = batches.batch(0)
    first, second, last = (m for m in model.D.modules() if isinstance(m, nn.Linear))
    planes = torch.nn.functional.one_hot(y, 3).float()[:, :, None, None].expand(-1, -1, 16, 16)
    flat = torch.cat([x, planes], 1).flatten(1)
    h1 = flat @ first.weight.T + first.bias
    slope1 = torch.where(h1 > 0, 1.0, 0.2)
    h2 = torch.where(h1 > 0, h1, 0.2 * h1) @ second.weight.T + second.bias
    slope2 = torch.where(h2 > 0, 1.0, 0.2)
    rows = ((last.weight * slope2) @ second.weight * slope1) @ first.weight  # (N, inputs)
    expected = 10 / 2 * rows[:, : 16 * 16].square().sum(1).mean()
    scalars = iterate_once(model, batches, Progress(), options)
    assert scalars["d/r1"].item() == pytest.approx(expected.item(), rel=1e-4)


def test_a_lazy_term_is_added_in_every_kth_update_and_multiplied_by_k(plugins: Plugins) -> None:
    values = []
    for every in (1, 4):
        REGULARIZERS["lazy"] = [{"type": "r1", "every": every}]
        torch.manual_seed(0)
        model, batches, options = build(plugins, "concat", "dcgan", "dcgan", "bce", "lazy")
        values.append(iterate_once(model, batches, Progress(), options)["d/r1"].item())
        assert ("d/r1" in iterate_once(model, batches, Progress(1, 1), options)) == (every == 1)
    del REGULARIZERS["lazy"]
    assert values[1] == pytest.approx(4 * values[0], rel=1e-5)


def test_cbn_starts_as_batch_normalisation_with_gains_around_one(plugins: Plugins) -> None:
    model, _, _ = build(plugins, "cbn+projection", "dcgan", "dcgan", "bce", "no regularizer")
    norm = model.G.norms[0]
    h = 3 + 2 * torch.randn(64, 8, 4, 4)
    style = torch.eye(3)[torch.zeros(64, dtype=torch.long)]
    gain, bias = norm.gamma.weight[:, 0], norm.beta.weight[:, 0]
    normal = (h - h.mean((0, 2, 3), keepdim=True)) / (
        h.var((0, 2, 3), unbiased=False, keepdim=True) + 1e-5
    ).sqrt()
    expected = (1 + gain)[None, :, None, None] * normal + bias[None, :, None, None]
    torch.testing.assert_close(norm(h, style), expected, atol=1e-5, rtol=1e-5)
    assert (1 + gain).mean().item() == pytest.approx(1, abs=0.4)  # eight numbers, 0.3 apart


def test_projection_adds_the_inner_product_with_the_classs_vector(plugins: Plugins) -> None:
    model, _, _ = build(plugins, "cbn+projection", "mlp", "mlp", "bce", "no regularizer")
    head = model.D.head.logit
    h, y = torch.randn(3, 8), torch.tensor([2, 0, 2])
    table = head.embed.table.weight
    expected = (h @ head.plain.weight.T).flatten() + head.plain.bias + (h * table[y]).sum(1)
    torch.testing.assert_close(head(h, y), expected)
    rows = torch.nn.functional.one_hot(y, 3).float()
    torch.testing.assert_close(head(h, rows), expected)


def test_losses_equal_their_formulas(plugins: Plugins) -> None:
    real, fake = torch.tensor([2.0, -0.5]), torch.tensor([-1.0, 0.25])
    bce = plugins.find("loss", "bce").component()
    hinge = plugins.find("loss", "hinge").component()
    # -log sigmoid(2) - log(1 - sigmoid(-1)) and so on, by hand.
    torch.testing.assert_close(bce.d(real, fake), torch.tensor([0.44018969, 1.80001640]))
    torch.testing.assert_close(bce.g(fake), torch.tensor([1.31326169, 0.57593942]))
    torch.testing.assert_close(hinge.d(real, fake), torch.tensor([0.0, 1.5 + 1.25]))
    torch.testing.assert_close(hinge.g(fake), torch.tensor([1.0, -0.25]))
