"""Both families with every scheme, size and batch, with penalties, and in an iteration."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from ganlab.run_directory import Progress
from ganlab.step import Step
from ganlab.types import Batch
from tests.plugins.matrix import COMPANIONS
from tests.plugins.stand import SPEC, active, part, plugins
from tests.plugins.style_networks.nets import Z, discriminator, generator, run, spec_of
from tests.training.helpers import iterate_once

FAMILIES = ("stylegan2", "r3gan")
SCHEMES = sorted(owner.component.name for owner in plugins().registered("conditioning"))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [16, 32, 64, 128])
def test_every_size_and_number_of_channels_works(family: str, size: int, channels: int) -> None:
    spec = spec_of(size, channels)
    g, d = generator(family, spec=spec), discriminator(family, spec=spec)
    for batch in (1, 2, 5):
        x = g(torch.randn(batch, Z), torch.arange(batch) % 3)
        assert x.shape == (batch, channels, size, size)
        output = d(x, torch.arange(batch) % 3)
        assert output.logit.shape == (batch,)
        assert torch.isfinite(output.logit).all()


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", SCHEMES)
def test_every_scheme_works_and_the_label_has_an_effect_where_it_should(
    family: str, name: str
) -> None:
    scheme = part("conditioning", name)
    beside = [part("conditioning", COMPANIONS[name])] if name == "shared-embedding" else []
    a, b = torch.zeros(5, dtype=torch.long), torch.ones(5, dtype=torch.long)
    g = generator(family, scheme, *beside).eval()
    d = discriminator(family, scheme).eval()
    z, x = torch.randn(5, Z), torch.randn(5, 1, 16, 16)
    assert g(z, a).shape == (5, 1, 16, 16)
    assert torch.equal(g(z, a), g(z, b)) == (not type(scheme).claims("generator"))
    first, second = d(x, a), d(x, b)
    assert torch.isfinite(first.logit).all()
    if {"image", "head"} & set(type(scheme).claims("discriminator")):
        assert not torch.equal(first.logit, second.logit) or first.auxiliary
    soft = torch.full((5, 3), 1 / 3)
    assert g(z, soft).shape == (5, 1, 16, 16)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    "conditioning",
    [
        "none",
        "concat",
        ["cbn", "projection"],
        {"generator": "concat", "discriminator": "projection"},
    ],
    ids=str,
)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_an_iteration_reaches_every_parameter(
    family: str, conditioning: Any, precision: str
) -> None:
    penalties = ["r1", "path-length"] if family == "stylegan2" else ["r1", "r2"]
    model, batches, options = run(
        family,
        conditioning=conditioning,
        regularizers=penalties,
        augmentations=["ada"],
        loss="logistic" if family == "stylegan2" else "relativistic",
        G={"style_mixing": 0.9} if family == "stylegan2" else None,
        precision=precision,
        ema={"decay": 0.9},
    )
    scalars = iterate_once(model, batches, Progress(), options)
    assert all(torch.isfinite(value) for value in scalars.values()), scalars
    for role, network in model.networks.items():
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None, (role, name)
            assert torch.isfinite(parameter.grad).all(), (role, name)
            assert parameter.dtype == torch.float32


@pytest.mark.parametrize("family", FAMILIES)
def test_outputs_in_bf16_are_close_to_those_in_fp32(family: str) -> None:
    scheme = part("conditioning", "concat")
    g, d = generator(family, scheme).eval(), discriminator(family, scheme).eval()
    z, y = torch.randn(4, Z), torch.arange(4) % 3
    with torch.no_grad():
        x = g(z, y)
        logit = d(x, y).logit
        with torch.autocast("cpu", torch.bfloat16):
            half = g(z, y)
            half_logit = d(x, y).logit
    assert half.dtype == half_logit.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), x, atol=0.05 * x.abs().max().item(), rtol=0)
    spread = 0.05 * logit.abs().max().item()
    torch.testing.assert_close(half_logit.float(), logit, atol=spread, rtol=0)


def step_with(role: Any, G: Any, D: Any, x: Tensor, z: Tensor) -> Step:
    y = torch.arange(len(x)) % 3
    return Step(role, 0, Batch(x, y), Batch(x.flip(0), y, z), G, D, part("loss", "logistic"), SPEC)


def slope(term: Any, network: torch.nn.Module) -> tuple[float, float]:
    """Return the directional derivative of a term, by autograd and by finite differences."""
    weights = list(network.parameters())
    ways = [torch.randn_like(w) / 10 for w in weights]
    gradients = torch.autograd.grad(term(), weights, allow_unused=True)
    by_autograd = sum(
        (g * way).sum().item() for g, way in zip(gradients, ways, strict=True) if g is not None
    )

    def moved(t: float) -> float:
        with torch.no_grad():
            for weight, way in zip(weights, ways, strict=True):
                weight.add_(way, alpha=t)
        value = term().item()
        with torch.no_grad():
            for weight, way in zip(weights, ways, strict=True):
                weight.sub_(way, alpha=t)
        return value

    h = 1e-6
    return by_autograd, (moved(h) - moved(-h)) / (2 * h)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("penalty", ["r1", "r2", "gp"])
def test_penalties_differentiate_d_twice(family: str, penalty: str) -> None:
    d = discriminator(family, part("conditioning", "projection")).double()
    x, z = torch.randn(4, 1, 16, 16).double(), torch.randn(4, Z).double()
    part_ = active(part("regularizer", penalty))

    def term() -> Tensor:
        torch.manual_seed(1)
        (value,) = part_.component.d_terms(
            step_with("discriminator", None, d, x, z), part_.state
        ).values()
        return value

    by_autograd, by_differences = slope(term, d)
    assert by_autograd == pytest.approx(by_differences, rel=1e-4)
    assert by_autograd != 0


@pytest.mark.parametrize("family", FAMILIES)
def test_path_length_differentiates_g_twice_and_reaches_the_mapping(family: str) -> None:
    g = generator(family, part("conditioning", "concat", embedding=4)).double().eval()
    x, z = torch.randn(4, 1, 16, 16).double(), torch.randn(4, Z).double()
    # The running mean has no gradient, but finite differences would include its change.
    component = part("regularizer", "path-length", decay=1 - 1e-9)

    def term() -> Tensor:
        torch.manual_seed(1)
        state = component.state(SPEC).double()
        return component.g_terms(step_with("generator", g, None, x, z), state)["path_length"]

    by_autograd, by_differences = slope(term, g)
    assert by_autograd == pytest.approx(by_differences, rel=1e-4)
    assert torch.isfinite(term())
    if family == "stylegan2":
        for gradient in torch.autograd.grad(term(), list(g.mapping.parameters())):
            assert gradient.abs().sum() > 0
