"""The residual networks at every size, with every scheme, regularizer and precision."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.instancenorm import _InstanceNorm

from ganlab.errors import ConfigError
from ganlab.run_directory import Progress
from tests.plugins.networks.helpers import (
    NETWORKS,
    PLUGINS,
    SHARED,
    SMALL,
    discriminator,
    generator,
    model,
    spec_of,
)
from tests.training.helpers import iterate_once

# The YAML, and whether G, D's logit and D's auxiliary outputs depend on the label.
SCHEMES: dict[str, tuple[Any, bool, bool, bool]] = {
    "none": ("none", False, False, False),
    "concat": ("concat", True, True, False),
    "cbn+projection": (["cbn", "projection"], True, True, False),
    "shared-embedding": (SHARED, True, True, False),
    "shared-adain": (
        {"generator": ["shared-embedding", "adain"], "discriminator": "none"},
        True,
        False,
        False,
    ),
    "film": ({"generator": "film", "discriminator": "embedding-plane"}, True, True, False),
    "self-modulation": (
        {"generator": "self-modulation", "discriminator": "acgan"},
        True,
        False,
        False,
    ),
    "classifiers": (
        {"generator": "cbn", "discriminator": ["tacgan", "adcgan", "contragan", "reacgan"]},
        True,
        False,
        True,
    ),
    "multi-hinge": ({"generator": "cbn", "discriminator": "multi-hinge"}, True, True, False),
    "multi-disc": (["concat", "cbn", "multi-disc", "mismatch"], True, True, False),
    "infogan": ("infogan", True, False, False),
}


def test_every_shipped_scheme_is_tested() -> None:
    named = str([written for written, *_ in SCHEMES.values()])
    assert not [name for name in PLUGINS.names("conditioning") if f"'{name}'" not in named]


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("name", SCHEMES)
def test_takes_a_step_and_depends_on_the_label_exactly_where_it_should(
    name: str, network: str
) -> None:
    torch.manual_seed(0)
    conditioning, g_sees, logit_sees, notes_see = SCHEMES[name]
    loss = None if name == "multi-hinge" else "hinge"
    both, batches, options = model(network, conditioning, loss=loss)
    scalars = iterate_once(both, batches, Progress(), options)
    assert all(torch.isfinite(value) for value in scalars.values()), scalars
    for role, net in both.networks.items():
        for key, parameter in net.named_parameters():
            assert parameter.grad is not None, (role, key)
            assert torch.isfinite(parameter.grad).all(), (role, key)

    both.G.eval(), both.D.eval()
    with torch.no_grad():
        z, x = torch.randn(4, 5), torch.randn(4, 1, 16, 16)
        a, b = torch.zeros(4, dtype=torch.long), torch.ones(4, dtype=torch.long)
        assert torch.equal(both.G(z, a), both.G(z, b)) != g_sees
        on_a, on_b = both.D(x, a), both.D(x, b)
        assert torch.equal(on_a.logit, on_b.logit) != logit_sees
        assert torch.equal(flat(on_a.auxiliary), flat(on_b.auxiliary)) != notes_see
        # One-hot rows are equivalent to class indices.
        torch.testing.assert_close(both.G(z, torch.eye(3)[a]), both.G(z, a))


def flat(notes: dict[str, Any]) -> Tensor:
    tensors: list[Tensor] = [torch.zeros(1)]
    for note in notes.values():
        tensors += [note] if isinstance(note, Tensor) else list(note)
    return torch.cat([t.flatten() for t in tensors])


@pytest.mark.parametrize("size", [16, 32, 64, 128])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("network", NETWORKS)
def test_every_size_from_16_to_128_and_1_or_3_channels_works(
    network: str, channels: int, size: int
) -> None:
    spec = spec_of(size, channels)
    G = generator(network, spec, SHARED, **SMALL[network])
    D = discriminator(network, spec, SHARED, **SMALL[network])
    y = torch.tensor([0, 2])
    x = G(torch.randn(2, 12), y)
    assert x.shape == (2, channels, size, size)
    assert x.abs().max() <= 1
    output = D(x, y)
    assert output.logit.shape == (2,)
    assert output.features.shape == (2, D.head.logit.plain.in_features)  # type: ignore[union-attr]


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp64"])
def test_trains_with_spectral_normalisation_and_double_backward(
    network: str, precision: str
) -> None:
    both = {"type": "spectral-norm", "network": "both"}
    twice = [both, "r1", "gp", {"type": "path-length", "every": 1}, "orthogonal"]
    built, batches, options = model(network, SHARED, regularizers=twice, precision=precision)
    for i in range(2):
        scalars = iterate_once(built, batches, Progress(i, i), options)
        assert all(torch.isfinite(value) for value in scalars.values()), scalars
    assert scalars["d/r1"] > 0
    assert scalars["d/gp"] > 0
    assert "g/path_length" in scalars


@pytest.mark.parametrize("network", NETWORKS)
def test_spectral_norm_reaches_every_weight_but_the_shared_embedding(network: str) -> None:
    built, batches, _ = model(
        network, SHARED, regularizers=[{"type": "spectral-norm", "network": "both"}]
    )
    x, y = batches.batch(0)
    with torch.no_grad():
        for _ in range(150):  # the power iteration converges
            built.D(x, y)
            built.G(torch.randn(4, 5), y)
    built.G.eval(), built.D.eval()
    for net in built.networks.values():
        for module in net.modules():
            if isinstance(module, nn.Conv2d | nn.Linear | nn.Embedding):
                weight = module.weight.detach().flatten(1)
                sigma = torch.linalg.matrix_norm(weight, 2).item()
                assert sigma == pytest.approx(1, abs=1e-2), module
    normalised = {
        name.removesuffix(".parametrizations.weight.original")
        for net in built.networks.values()
        for name, _ in net.named_parameters()
        if name.endswith("original")
    }
    left = {
        name
        for net in built.networks.values()
        for name, parameter in net.named_parameters()
        if parameter.dim() > 1 and not name.endswith("original")
    }
    assert left == {"style.table"}
    assert {"blocks.0.norm1.gamma", "blocks.1.norm2.beta", "first", "last"} <= normalised
    assert {"head.logit.plain", "head.logit.embed.table"} <= normalised


@pytest.mark.parametrize("network", NETWORKS)
def test_the_logit_of_an_image_does_not_depend_on_the_batch(network: str) -> None:
    D = discriminator(network, spec_of(), ["projection"], **SMALL[network])
    assert not [m for m in D.modules() if isinstance(m, _BatchNorm | _InstanceNorm)]
    x, y = torch.randn(4, 1, 16, 16), torch.tensor([0, 1, 2, 0])
    alone = torch.cat([D(x[i : i + 1], y[i : i + 1]).logit for i in range(4)])
    torch.testing.assert_close(D(x, y).logit, alone)


@pytest.mark.parametrize("network", ["sagan", "biggan"])
def test_attention_without_a_feature_map_of_that_size_is_rejected(network: str) -> None:
    with pytest.raises(ConfigError) as error:
        generator(network, spec_of(32), width=1, attention=64)
    assert str(error.value) == (
        "1 problem in the experiment\n  generator.attention: "
        "there is no feature map of 64 x 64; there are 8, 16, 32"
    )
    with pytest.raises(ConfigError) as error:
        discriminator(network, spec_of(32), width=1, attention=32)
    assert str(error.value) == (
        "1 problem in the experiment\n  discriminator.attention: "
        "there is no feature map of 32 x 32; there are 8, 16"
    )
