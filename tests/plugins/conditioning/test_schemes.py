"""Every scheme trains with every network, and the label has an effect exactly where it should."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeCopyMode, FakeTensorMode

from ganlab.run_directory import Progress
from ganlab.training.iteration import iterate
from ganlab.types import Batch
from tests.plugins.conditioning.helpers import build
from tests.training.helpers import iterate_once


def with_concat(discriminator: Any) -> dict[str, Any]:
    return {"generator": "concat", "discriminator": discriminator}


# The YAML, and whether G, D's logit and D's auxiliary outputs depend on the label.
SCHEMES: dict[str, tuple[Any, bool, bool, bool]] = {
    "concat-embedding": ({"type": "concat", "embedding": 4}, True, True, False),
    "adain": ({"generator": "adain", "discriminator": "none"}, True, False, False),
    "film": ({"generator": "film", "discriminator": "none"}, True, False, False),
    "self-modulation": (
        {"generator": "self-modulation", "discriminator": "projection"},
        True,
        True,
        False,
    ),
    "embedding-plane": (with_concat("embedding-plane"), True, True, False),
    "embedding-plane-4": (
        with_concat({"type": "embedding-plane", "embedding": 4}),
        True,
        True,
        False,
    ),
    "acgan": (with_concat("acgan"), True, False, False),
    "tacgan": (with_concat("tacgan"), True, False, False),
    "adcgan": (with_concat("adcgan"), True, False, False),
    "contragan": (with_concat("contragan"), True, False, True),
    "reacgan": (with_concat("reacgan"), True, False, True),
    "multi-hinge": (with_concat("multi-hinge"), True, True, False),
    "multi-disc": (with_concat("multi-disc"), True, True, False),
    "mismatch": (["concat", "mismatch"], True, True, False),
    "infogan": ("infogan", True, False, False),
    "infogan-learned-std": ({"type": "infogan", "fixed_std": False}, True, False, False),
    "several": (
        {"generator": ["concat", "film"], "discriminator": ["projection", "acgan", "reacgan"]},
        True,
        True,
        True,
    ),
}
NETWORKS = ("dcgan", "mlp")


def loss_for(scheme: str) -> str | None:
    return None if scheme == "multi-hinge" else "hinge"


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("name", SCHEMES)
def test_takes_a_step_and_depends_on_the_label_exactly_where_it_should(
    name: str, network: str
) -> None:
    torch.manual_seed(0)
    conditioning, g_sees, logit_sees, notes_see = SCHEMES[name]
    model, batches, options = build(conditioning, network, loss=loss_for(name))
    scalars = iterate_once(model, batches, Progress(), options)
    assert all(torch.isfinite(value) for value in scalars.values()), scalars
    for role, net in model.networks.items():
        for key, parameter in net.named_parameters():
            assert parameter.grad is not None, (role, key)
            assert torch.isfinite(parameter.grad).all(), (role, key)

    model.G.eval(), model.D.eval()
    with torch.no_grad():
        z, x = torch.randn(4, 5), torch.randn(4, 1, 16, 16)
        a, b = torch.zeros(4, dtype=torch.long), torch.ones(4, dtype=torch.long)
        assert torch.equal(model.G(z, a), model.G(z, b)) != g_sees
        on_a, on_b = model.D(x, a), model.D(x, b)
        assert torch.equal(on_a.logit, on_b.logit) != logit_sees
        assert torch.equal(flat(on_a.auxiliary), flat(on_b.auxiliary)) != notes_see
        # One-hot rows are equivalent to class indices.
        rows = torch.eye(3)[a]
        torch.testing.assert_close(model.G(z, rows), model.G(z, a))
        torch.testing.assert_close(model.D(x, rows).logit, on_a.logit)
        torch.testing.assert_close(flat(model.D(x, rows).auxiliary), flat(on_a.auxiliary))


def flat(notes: dict[str, Any]) -> Tensor:
    tensors: list[Tensor] = [torch.zeros(1)]
    for note in notes.values():
        tensors += [note] if isinstance(note, Tensor) else list(note)
    return torch.cat([t.flatten() for t in tensors])


@pytest.mark.parametrize("precision", ["bf16", "fp64"])
@pytest.mark.parametrize("name", SCHEMES)
def test_trains_in_other_precisions_too(name: str, precision: str) -> None:
    model, batches, options = build(
        SCHEMES[name][0], "dcgan", loss=loss_for(name), precision=precision
    )
    scalars = iterate_once(model, batches, Progress(), options)
    assert all(torch.isfinite(value) for value in scalars.values()), scalars


@pytest.mark.parametrize("name", SCHEMES)
def test_trains_under_spectral_normalisation_and_a_gradient_penalty(name: str) -> None:
    limits = [{"type": "spectral-norm", "network": "both"}, "r1"]
    model, batches, options = build(
        SCHEMES[name][0], "mlp", loss=loss_for(name), regularizers=limits
    )
    for i in range(2):
        scalars = iterate_once(model, batches, Progress(i, i), options)
        assert all(torch.isfinite(value) for value in scalars.values()), scalars
    assert scalars["d/r1"] > 0


@pytest.mark.parametrize("name", SCHEMES)
def test_no_term_reads_a_tensors_value(name: str) -> None:
    """A step runs on meta tensors: no branch and no shape depends on a value."""
    model, _, options = build(SCHEMES[name][0], "mlp", loss=loss_for(name))
    mode = FakeTensorMode()
    with FakeCopyMode(mode):
        model.networks = copy.deepcopy(model.networks)
    with mode:
        model.optimizers = {  # Adam reads its step counter on the CPU
            role: torch.optim.SGD(network.parameters()) for role, network in model.networks.items()
        }
        real = Batch(torch.randn(4, 1, 16, 16), torch.randint(3, (4,)))
        scalars = iterate(model, [real], Progress(), options, draw_labels=lambda n: real.y)
    assert all(value.shape == () for value in scalars.values())
