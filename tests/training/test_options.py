"""Training options against what they mean: parts of a batch, rates, averages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from ganlab.config.experiment import Ema, Train
from ganlab.config.resolve import load_experiment, resolve
from ganlab.errors import ConfigError
from ganlab.plugins import Plugins
from ganlab.run_directory import Progress
from ganlab.seeds import seed_everything
from ganlab.training.iteration import Scalars, iterate
from ganlab.training.model import Model, build_model
from ganlab.training.precision import choose
from ganlab.types import Batch, DataSpec
from tests.conftest import EXPERIMENT, TINY

SPEC = DataSpec(4, 16, 1, ("dark", "dim", "light", "bright"))
PLAIN: dict[str, Any] = {
    "regularizers": [],
    "augmentations": [],
    "callbacks": [],
    # The step itself shows the gradient, and a rate of one shows it whole.
    "optimizer": {"type": "sgd", "lr": 1.0},
}


@pytest.fixture(scope="module")
def plugins() -> Plugins:
    found = Plugins()
    found.load_folder(TINY)
    return found


def built(plugins: Plugins, **changes: Any) -> tuple[Model, Train]:
    """Build what works on each image alone: no batch statistics, no dropout."""
    sections = {key: value for key, value in changes.items() if key in (*PLAIN, "optimizer")}
    train = {key: value for key, value in changes.items() if key not in sections}
    precision = {"precision": "fp64", "z_dim": 16, **train}
    data = EXPERIMENT | PLAIN | sections | {"train": {**EXPERIMENT["train"], **precision}}
    experiment = resolve(data, plugins)
    model = build_model(experiment, SPEC, choose(experiment.train))
    model.networks = {role: network.eval() for role, network in model.networks.items()}
    return model, experiment.train


def once(model: Model, options: Train, at: Progress | None = None) -> Scalars:
    generator = torch.Generator().manual_seed(0)
    real = Batch(
        torch.rand(8, 1, 16, 16, generator=generator, dtype=torch.float64) * 2 - 1,
        torch.arange(8) % 4,
    )
    seed_everything(0, torch.device("cpu"))
    return iterate(model, [real], at or Progress(), options, draw_labels=lambda n: torch.arange(n))


def weights(model: Model) -> list[Tensor]:
    return [p.detach() for network in model.networks.values() for p in network.parameters()]


# ----------------------------------------------------------------------- gradient accumulation


@pytest.mark.parametrize("parts", [2, 4])
def test_a_batch_in_parts_moves_the_weights_as_a_whole_one(plugins: Plugins, parts: int) -> None:
    # Noise and labels come part by part, which is the same numbers in the same order.
    whole, options = built(plugins, fake_labels="real")
    split, in_parts = built(plugins, fake_labels="real", accumulate=parts)
    expected, found = once(whole, options), once(split, in_parts)
    start, _ = built(plugins)
    for a, b, before in zip(weights(whole), weights(split), weights(start), strict=True):
        torch.testing.assert_close(b, a, rtol=1e-9, atol=1e-12)
        assert not torch.equal(a, before)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-9, atol=1e-12)


def test_g_learns_from_the_images_that_d_saw_in_parts_too(plugins: Plugins) -> None:
    model, options = built(plugins, accumulate=2, same_fakes=True)
    drawn = []
    model.G.register_forward_hook(lambda *call: drawn.append(call[2].detach()))
    once(model, options)
    first, second, again, and_again = drawn
    assert torch.equal(first, again)
    assert torch.equal(second, and_again)
    assert not torch.equal(first, second)


def test_who_acts_after_a_step_sees_the_whole_batch(plugins: Plugins) -> None:
    model, options = built(plugins, accumulate=4, augmentations=["tiny"])
    (*_, last) = model.components
    seen = []
    spy = type(last.component).after_step
    try:
        type(last.component).after_step = lambda self, step, state: seen.append(step)  # type: ignore[method-assign]
        once(model, options)
    finally:
        type(last.component).after_step = spy  # type: ignore[method-assign]
    for step in seen:
        assert len(step.real.x) == len(step.fake.z) == len(step.fake.output.logit) == 8
        assert not step.fake.output.logit.requires_grad


@pytest.mark.parametrize("parts", [3, 8])
def test_parts_that_are_not_whole_are_refused(
    plugins: Plugins, write_experiment: Callable[..., Path], parts: int
) -> None:
    with pytest.raises(ConfigError) as error:
        load_experiment(write_experiment(accumulate=parts), plugins)
    (problem,) = error.value.problems
    assert problem.what == (
        f"accumulate must divide batch_size (8) into parts of at least two images, got {parts}"
    )


# --------------------------------------------------------------------------- learning rates


def test_a_rate_has_a_schedule_of_its_own_for_each_network(plugins: Plugins) -> None:
    rates = {"generator": {"lr": "1 to 0 over 100 images"}, "discriminator": {"lr": 0.5}}
    model, options = built(plugins, optimizer={"type": "sgd", **rates})
    for images, expected in ((0, 1.0), (25, 0.75), (100, 0.0), (10**6, 0.0)):
        once(model, options, Progress(images=images))
        (of_g,), (of_d,) = (o.param_groups for o in model.optimizers.values())
        assert (of_g["lr"], of_d["lr"]) == (pytest.approx(expected), 0.5)


def test_at_a_rate_of_zero_weights_stand_still(plugins: Plugins) -> None:
    schedule = {"type": "adam", "lr": "1e-3 to 0 over 100 images"}
    model, options = built(plugins, optimizer=schedule)
    before = [weight.clone() for weight in weights(model)]
    once(model, options, Progress(images=100))
    assert all(map(torch.equal, weights(model), before))
    once(model, options, Progress(images=99))
    assert not all(map(torch.equal, weights(model), before))


# ------------------------------------------------------------------------------- averages


def test_an_average_is_a_copy_at_first_and_then_decays() -> None:
    ema = Ema(decay=0.9, start=3)
    kept = [ema.decay_at(step=step, images=100, batch_size=8) for step in range(5)]
    assert kept == [0, 0, 0, 0.9, 0.9]


def test_its_half_life_grows_with_what_was_seen() -> None:
    ema = Ema(decay=0.999, rampup=0.05)
    for images in (64, 640, 6400):
        decay = ema.decay_at(step=0, images=images, batch_size=32)
        half_life = 32 * torch.log(torch.tensor(0.5)).item() / torch.log(torch.tensor(decay)).item()
        assert half_life == pytest.approx(0.05 * images, rel=1e-2)
    assert ema.decay_at(step=0, images=0, batch_size=32) == 0
    assert ema.decay_at(step=0, images=10**9, batch_size=32) == 0.999


def test_a_run_whose_average_has_not_started_draws_from_its_weights(
    write_experiment: Callable[..., Path], ganlab: Callable[..., Any], workplace: Path
) -> None:
    from tests.training.helpers import newest_state, only_run

    exp = write_experiment(steps=3, ema={"decay": 0.9, "start": 100})
    assert ganlab("run", exp).exit_code == 0
    state = newest_state(only_run(workplace))
    ours = {k.removeprefix("ema/"): v for k, v in state.items() if k.startswith("ema/")}
    assert ours
    for name, value in ours.items():
        assert torch.equal(value, state[f"generator/{name}"]), name
