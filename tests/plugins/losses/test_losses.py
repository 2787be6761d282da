"""Every loss, compared with its formula in NumPy and with values computed by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from ganlab import Loss
from ganlab.run_directory import Progress
from tests.plugins.conditioning.helpers import PLUGINS, build, loss
from tests.training.helpers import iterate_once

REAL = np.array([2.0, -0.5, 0.3])
FAKE = np.array([-1.0, 0.25, 1.5])


def sigmoid(t: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-t))


def log(t: np.ndarray) -> np.ndarray:
    return np.log(sigmoid(t))


def log_not(t: np.ndarray) -> np.ndarray:
    return np.log(1 - sigmoid(t))


Pair = Callable[[np.ndarray, np.ndarray], np.ndarray]
# D(real, fake) and G(fake, real), written like the formulas of the papers.
FORMULAS: dict[str, tuple[str, dict[str, Any], Pair, Pair]] = {
    "bce": ("bce", {}, lambda r, f: -log(r) - log_not(f), lambda f, r: -log(f)),
    "minimax": ("minimax", {}, lambda r, f: -log(r) - log_not(f), lambda f, r: log_not(f)),
    "bce-smooth": (
        "bce",
        {"smoothing": 0.1},
        lambda r, f: -0.9 * log(r) - 0.1 * log_not(r) - log_not(f),
        lambda f, r: -log(f),
    ),
    "minimax-smooth": (
        "minimax",
        {"smoothing": 0.25},
        lambda r, f: -0.75 * log(r) - 0.25 * log_not(r) - log_not(f),
        lambda f, r: log_not(f),
    ),
    "logistic": ("logistic", {}, lambda r, f: -log(r) - log_not(f), lambda f, r: -log(f)),
    "lsgan": (
        "lsgan",
        {},
        lambda r, f: 0.5 * (r - 1) ** 2 + 0.5 * f**2,
        lambda f, r: 0.5 * (f - 1) ** 2,
    ),
    "lsgan-pearson": (
        "lsgan",
        {"a": -1.0, "b": 1.0, "c": 0.0},
        lambda r, f: 0.5 * (r - 1) ** 2 + 0.5 * (f + 1) ** 2,
        lambda f, r: 0.5 * f**2,
    ),
    "wgan": ("wgan", {}, lambda r, f: -(r - f), lambda f, r: -f),
    "relativistic": ("relativistic", {}, lambda r, f: -log(r - f), lambda f, r: -log(f - r)),
    "relativistic-average": (
        "relativistic-average",
        {},
        lambda r, f: -log(r - f.mean()) - log_not(f - r.mean()),
        lambda f, r: -log(f - r.mean()) - log_not(r - f.mean()),
    ),
    "relativistic-average-ls": (
        "relativistic-average",
        {"form": "least-squares"},
        lambda r, f: (r - f.mean() - 1) ** 2 + (f - r.mean() + 1) ** 2,
        lambda f, r: (f - r.mean() - 1) ** 2 + (r - f.mean() + 1) ** 2,
    ),
    "relativistic-average-hinge": (
        "relativistic-average",
        {"form": "hinge"},
        lambda r, f: np.maximum(0, 1 - (r - f.mean())) + np.maximum(0, 1 + (f - r.mean())),
        lambda f, r: np.maximum(0, 1 - (f - r.mean())) + np.maximum(0, 1 + (r - f.mean())),
    ),
}


@pytest.mark.parametrize("case", FORMULAS)
def test_it_equals_its_formula_for_each_example(case: str) -> None:
    name, options, d, g = FORMULAS[case]
    component = loss(name, **options)
    real, fake = torch.tensor(REAL), torch.tensor(FAKE)
    on_d, on_g = component.d(real, fake), component.g(fake, real if component.real_in_g else None)
    torch.testing.assert_close(on_d, torch.tensor(d(REAL, FAKE)))
    torch.testing.assert_close(on_g, torch.tensor(g(FAKE, REAL)))


def test_values_by_hand() -> None:
    one, zero, log3 = torch.tensor([1.0]), torch.tensor([0.0]), torch.tensor([math.log(3)])
    # sigmoid(log 3) is 3/4.
    assert loss("minimax").g(log3).item() == pytest.approx(math.log(1 / 4))
    assert loss("minimax").d(log3, -log3).item() == pytest.approx(2 * math.log(4 / 3))
    assert loss("logistic").g(log3).item() == pytest.approx(math.log(4 / 3))
    assert loss("logistic").d(-log3, log3).item() == pytest.approx(2 * math.log(4))
    assert loss("lsgan").d(zero, one).item() == 1.0
    assert loss("lsgan", c=3.0).g(one).item() == 2.0
    assert loss("wgan").d(3 * one, one).item() == -2.0
    assert loss("wgan").g(3 * one).item() == -3.0
    assert loss("relativistic").d(log3, zero).item() == pytest.approx(math.log(4 / 3))
    assert loss("relativistic").g(log3, zero).item() == pytest.approx(math.log(4 / 3))
    # Means 1 and 0: each real logit is 2 or 0 above the mean of the fakes.
    real, fake = torch.tensor([2.0, 0.0]), torch.tensor([0.0, 0.0])
    hinge = loss("relativistic-average", form="hinge")
    assert hinge.d(real, fake).tolist() == [0.0, 1.0]
    assert hinge.g(fake, real).tolist() == [2.0 + 3.0, 2.0 + 1.0]


def test_minimax_saturates_for_a_confident_d_and_bce_does_not() -> None:
    gradients = {}
    for name in ("minimax", "bce"):
        fake = torch.tensor([-10.0], requires_grad=True)
        loss(name).g(fake).sum().backward()
        assert fake.grad is not None
        gradients[name] = fake.grad.item()
    assert gradients["minimax"] == pytest.approx(-sigmoid(np.array(-10.0)), rel=1e-4)
    assert gradients["bce"] == pytest.approx(-sigmoid(np.array(10.0)), rel=1e-4)


def test_relativistic_losses_are_invariant_to_a_common_offset() -> None:
    real, fake = torch.tensor(REAL), torch.tensor(FAKE)
    for name in ("relativistic", "relativistic-average"):
        torch.testing.assert_close(loss(name).d(real + 7, fake + 7), loss(name).d(real, fake))
        torch.testing.assert_close(loss(name).g(fake + 7, real + 7), loss(name).g(fake, real))


def test_losses_that_define_a_probability_log_it() -> None:
    logit = torch.tensor([math.log(3)])
    shown = {name: loss(name).logged_output(logit).item() for name in PLUGINS.names(Loss.kind)}
    as_probability = {name for name, value in shown.items() if value == pytest.approx(0.75)}
    assert as_probability == {"bce", "minimax"}


def test_every_loss_trains_and_only_logistic_and_bce_give_equal_updates() -> None:
    weights = {}
    for name in PLUGINS.names(Loss.kind):
        torch.manual_seed(0)
        model, batches, options = build("concat", "mlp", loss=name)
        with torch.no_grad():  # logits outside the margins of the hinge loss
            model.D.head.logit.plain.weight.mul_(30)
        scalars = iterate_once(model, batches, Progress(), options)
        assert all(torch.isfinite(value) for value in scalars.values()), name
        grads = [p.grad for net in model.networks.values() for p in net.parameters()]
        assert all(grad is not None and torch.isfinite(grad).all() for grad in grads), name
        weights[name] = torch.cat([grad.flatten() for grad in grads if grad is not None])
    same = {
        (a, b)
        for a in weights
        for b in weights
        if a < b and torch.allclose(weights[a], weights[b], rtol=1e-6, atol=0)
    }
    assert same == {("bce", "logistic")}
