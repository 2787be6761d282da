"""Every shipped regularizer and augmentation acts in a step with every pair of networks."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeCopyMode,
    FakeTensorMode,
)

from ganlab.components import BoundComponent, Regularizer
from ganlab.run_directory import Progress
from ganlab.step import Step
from ganlab.training.iteration import Scalars, iterate
from ganlab.training.model import Model
from ganlab.types import Batch, DataSpec
from tests.plugins.stand import build, plugins
from tests.training.helpers import iterate_once

# Options that make a component act in the first step.
AT_ONCE: dict[str, dict[str, Any]] = {
    "orthogonal": {"network": "both"},
    "spectral-norm": {"network": "both"},
    "lecam": {"start_steps": 1},
    "ada": {"p": 0.8, "adapt_every": 1},
    "apa": {"p": 0.5, "adapt_every": 1},
    "top-k": {"share": 0.5},
}
REGULARIZERS = [o.component.name for o in plugins().registered("regularizer")]
AUGMENTATIONS = [o.component.name for o in plugins().registered("augmentation")]
PARTS = [("regularizers", n) for n in REGULARIZERS] + [("augmentations", n) for n in AUGMENTATIONS]
parts = pytest.mark.parametrize(("section", "name"), PARTS, ids=[name for _, name in PARTS])


def block(name: str) -> list[dict[str, Any]]:
    return [{"type": name, **AT_ONCE.get(name, {})}]


def test_all_components_are_tested() -> None:
    assert {"gp", "dragan", "r1", "r2", "weight-clip", "lecam", "cr", "bcr", "zcr"} <= {
        *REGULARIZERS
    }
    assert {"orthogonal", "top-k", "path-length", "spectral-norm"} <= {*REGULARIZERS}
    assert {"ada", "apa", "diffaugment"} <= {*AUGMENTATIONS}


@parts
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("network", ["dcgan", "mlp"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_takes_steps_with_finite_terms_and_gradients(
    section: str, name: str, network: str, precision: str, channels: int
) -> None:
    torch.manual_seed(0)
    model, batches, options = build(
        **{section: block(name)},
        generator=network,
        discriminator=network,
        spec=DataSpec(3, 16, channels, ("a", "b", "c")),
        precision=precision,
    )
    for i in range(2):
        scalars = iterate_once(model, batches, Progress(i, i, 4 * i), options)
        assert all(torch.isfinite(value) for value in scalars.values()), scalars
        for role, net in model.networks.items():
            for where, parameter in net.named_parameters():
                assert parameter.grad is not None, (role, where)
                assert torch.isfinite(parameter.grad).all(), (role, where)
                assert parameter.dtype == torch.float32
    for key, module in model.modules().items():
        for where, value in module.state_dict().items():
            assert torch.isfinite(value).all(), (key, where)


@parts
def test_changes_what_is_learned(section: str, name: str) -> None:
    weights = []
    for chosen in ({}, {section: block(name)}):
        model, batches, options = build(**chosen)
        for i in range(2):
            torch.manual_seed(i)
            iterate_once(model, batches, Progress(i, i, 4 * i), options)
        weights.append(torch.cat([p.detach().flatten() for p in model.G.parameters()]))
    assert not torch.equal(*weights)


def step_without_values(model: Model, options: Any) -> Scalars:
    """Run an iteration on meta tensors, which have shapes but no values."""
    mode = FakeTensorMode()
    with FakeCopyMode(mode):
        model.networks = copy.deepcopy(model.networks)
        states = [copy.deepcopy(p.state) for p in model.components]
    kept = [replace(p, state=s) for p, s in zip(model.components, states, strict=True)]
    model.components = tuple(kept)
    with mode:
        model.optimizers = {  # Adam reads its step counter on the CPU
            role: torch.optim.SGD(network.parameters()) for role, network in model.networks.items()
        }
        real = Batch(torch.randn(4, 1, 16, 16), torch.randint(3, (4,)))
        labels = torch.randint(3, (4,))
        return iterate(model, [real], Progress(), options, draw_labels=lambda n: labels)


@parts
def test_follows_the_rules_for_terms(section: str, name: str) -> None:
    """On meta tensors, branches on values, ``item`` and data-dependent shapes raise an error."""
    model, _, options = build(**{section: block(name)}, generator="mlp", discriminator="dcgan")
    scalars = step_without_values(model, options)
    assert all(value.shape == () for value in scalars.values())


@pytest.mark.parametrize(
    "breach",
    [
        lambda logit: logit.mean().item(),
        lambda logit: 1 if logit.mean() > 0 else 0,
        lambda logit: len(logit[logit > 0]),
    ],
    ids=["item", "branch", "shape"],
)
def test_a_violation_of_the_rules_is_detected(breach: Callable[[Tensor], float]) -> None:
    class Breaking(Regularizer):
        name = "breaking"

        def d_terms(self, step: Step, state: nn.Module | None) -> dict[str, Tensor]:
            return {"breaking": step.real.output.logit.mean() * breach(step.real.output.logit)}

    model, _, options = build()
    model.components = (BoundComponent("regularizers.breaking", Breaking()),)
    with pytest.raises((DataDependentOutputException, DynamicOutputShapeException)):
        step_without_values(model, options)


@pytest.mark.parametrize("augmentation", AUGMENTATIONS)
@pytest.mark.parametrize("penalty", ["r1", "gp", "cr"])
def test_a_penalty_differentiates_through_an_augmentation(penalty: str, augmentation: str) -> None:
    model, batches, options = build(
        regularizers=[penalty], augmentations=block(augmentation), discriminator="mlp"
    )
    scalars = iterate_once(model, batches, Progress(), options)
    assert torch.isfinite(scalars[f"d/{penalty}"])
    assert scalars[f"d/{penalty}"] > 0


def test_all_components_together_take_a_step() -> None:
    model, batches, options = build(
        regularizers=[b for name in REGULARIZERS for b in block(name)],
        augmentations=[b for name in AUGMENTATIONS for b in block(name)],
    )
    scalars = iterate_once(model, batches, Progress(), options)
    assert all(torch.isfinite(value) for value in scalars.values())


@pytest.mark.parametrize("name", ["gp", "dragan", "r2", "lecam", "cr", "bcr", "zcr", "orthogonal"])
def test_a_lazy_term_is_multiplied_by_k(name: str) -> None:
    values = []
    for every in (1, 4):
        model, batches, options = build(
            regularizers=[{**block(name)[0], "every": every}], discriminator="mlp"
        )
        for part in model.components:
            for buffer in part.state.buffers() if part.state is not None else ():
                buffer.fill_(1)  # so that a running mean has an effect
        torch.manual_seed(0)
        scalars = iterate_once(model, batches, Progress(), options)
        terms = {k: v.item() for k, v in scalars.items() if name in k}
        assert terms
        values.append(terms)
        later = iterate_once(model, batches, Progress(1, 1), options)
        assert all((term in later) == (every == 1) for term in terms)
    assert values[1] == pytest.approx({k: 4 * v for k, v in values[0].items()}, rel=1e-4)
