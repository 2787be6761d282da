"""The terms of auxiliary classifiers, compared with NumPy and with gradients computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ganlab import DataSpec
from tests.plugins.conditioning.helpers import batch, floats, scheme, step

Y = torch.tensor([0, 2, 1])
FAKE_Y = torch.tensor([1, 1, 0])
TWO = DataSpec(2, 16, 1, ("a", "b"))


def numbers(seed: int, outputs: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(3, outputs))


def mean_log_p(logits: np.ndarray, labels: np.ndarray) -> float:
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return float(np.mean(np.log(p[np.arange(len(labels)), labels])))


def tensor(array: np.ndarray) -> torch.Tensor:
    return torch.tensor(array, dtype=torch.float32)


def test_acgan_is_the_cross_entropy_of_both_batches_for_d_and_of_fakes_for_g() -> None:
    real, fake = numbers(0, 3), numbers(1, 3)
    at = [batch(tensor(real), Y, name="acgan"), batch(tensor(fake), FAKE_Y, name="acgan")]
    part = scheme("acgan", real=2.0, fake=0.5, generator=3.0)
    on_real, on_fake = mean_log_p(real, Y.numpy()), mean_log_p(fake, FAKE_Y.numpy())
    assert floats(part.d_terms(step("discriminator", *at), None)) == pytest.approx(
        {"classes_real": -2 * on_real, "classes_fake": -0.5 * on_fake}, rel=1e-5
    )
    assert floats(part.g_terms(step("generator", *at), None)) == pytest.approx(
        {"classes": -3 * on_fake}, rel=1e-5
    )


def test_acgan_by_hand() -> None:
    # Logits (0, log 3) are probabilities 1/4 and 3/4.
    logits = torch.tensor([[0.0, np.log(3.0)]])
    at = [batch(logits, torch.tensor([1]), name="acgan"), batch(logits, torch.tensor([0]))]
    at[1].output.auxiliary["acgan"] = logits
    terms = floats(scheme("acgan").d_terms(step("discriminator", *at, spec=TWO), None))
    assert terms == pytest.approx({"classes_real": np.log(4 / 3), "classes_fake": np.log(4)})


def test_soft_labels_average_the_losses_of_their_classes() -> None:
    logits = tensor(numbers(2, 3))
    rows = torch.tensor([[0.25, 0.75, 0.0]] * 3)
    mixed = batch(logits, rows, name="acgan")
    value = scheme("acgan").g_terms(step("generator", mixed, mixed), None)["classes"].item()
    pure = [mean_log_p(logits.numpy(), np.full(3, label)) for label in (0, 1)]
    assert value == pytest.approx(-0.25 * pure[0] - 0.75 * pure[1], rel=1e-5)


def test_tacgan_adds_a_twin_of_fakes_that_g_opposes() -> None:
    real, own, twin = numbers(0, 3), numbers(1, 3), numbers(2, 3)
    at = [
        batch((tensor(real), tensor(numbers(3, 3))), Y, name="tacgan"),
        batch((tensor(own), tensor(twin)), FAKE_Y, name="tacgan"),
    ]
    on_real, on_own = mean_log_p(real, Y.numpy()), mean_log_p(own, FAKE_Y.numpy())
    on_twin = mean_log_p(twin, FAKE_Y.numpy())
    part = scheme("tacgan", weight=0.5)
    assert floats(part.d_terms(step("discriminator", *at), None)) == pytest.approx(
        {"classes": -0.5 * on_real, "twin": -0.5 * on_twin}, rel=1e-5
    )
    assert floats(part.g_terms(step("generator", *at), None)) == pytest.approx(
        {"classes": -0.5 * on_own, "twin": 0.5 * on_twin}, rel=1e-5
    )
    both = scheme("tacgan", fake=1.0).d_terms(step("discriminator", *at), None)
    assert both["classes"].item() == pytest.approx(-on_real - on_own, rel=1e-5)


def test_adcgan_classifies_reals_into_the_first_and_fakes_into_the_second_half() -> None:
    real, fake = numbers(0, 6), numbers(1, 6)
    at = [batch(tensor(real), Y, name="adcgan"), batch(tensor(fake), FAKE_Y, name="adcgan")]
    part = scheme("adcgan", weight=2.0)
    as_fake = mean_log_p(fake, FAKE_Y.numpy() + 3)
    assert floats(part.d_terms(step("discriminator", *at), None)) == pytest.approx(
        {"classes_real": -2 * mean_log_p(real, Y.numpy()), "classes_fake": -2 * as_fake}, rel=1e-5
    )
    assert floats(part.g_terms(step("generator", *at), None)) == pytest.approx(
        {"classes_real": -2 * mean_log_p(fake, FAKE_Y.numpy()), "classes_fake": 2 * as_fake},
        rel=1e-5,
    )


# ------------------------------------------- two classes on a line: gradients of an image of G


def gradient(name: str, weights: list[list[float]], x: float, y: int) -> float:
    """Return d (G's terms) / d x for an image x with the logits weights * x."""
    at = torch.tensor([[x]], requires_grad=True)
    notes = [at * torch.tensor(w) for w in weights]
    note = tuple(notes) if len(notes) > 1 else notes[0]
    fake = batch(note, torch.tensor([y]), name=name)
    terms = scheme(name).g_terms(step("generator", fake, fake, spec=TWO), None)
    torch.stack(list(terms.values())).sum().backward()
    assert at.grad is not None
    return float(at.grad.item())


def test_acgan_always_pushes_from_the_boundary_but_tacgan_stops_when_both_agree() -> None:
    """Logits (-a x, a x) give p(1 | x) = sigmoid(2 a x), so d -log p(1 | x) = -2a (1 - p)."""

    def away(a: float, x: float) -> float:
        return -2 * a * (1 - 1 / (1 + np.exp(-2 * a * x)))

    for x in (-0.7, 0.2, 1.5):
        assert gradient("acgan", [[-1.0, 1.0]], x, 1) == pytest.approx(away(1, x), rel=1e-5)
        # If the twin separates generated classes like real classes (equal a), the gradient is zero.
        twins = [[-1.0, 1.0], [-1.0, 1.0]]
        assert gradient("tacgan", twins, x, 1) == pytest.approx(0, abs=1e-7)
        # If it separates them more (a = 2), the gradient pulls the classes together.
        apart = gradient("tacgan", [[-1.0, 1.0], [-2.0, 2.0]], x, 1)
        assert apart == pytest.approx(away(1, x) - away(2, x), rel=1e-5)


def test_adcgan_moves_an_image_along_log_p_real_minus_log_p_fake() -> None:
    """log C(y, real | x) - log C(y, fake | x) is linear in x: the normaliser cancels."""
    weights = [[-1.0, 1.0, -0.25, 3.0]]
    for x in (-0.7, 0.2, 1.5):
        assert gradient("adcgan", weights, x, 1) == pytest.approx(-(1.0 - 3.0), rel=1e-5)
        assert gradient("adcgan", weights, x, 0) == pytest.approx(-(-1.0 + 0.25), rel=1e-5)
    # The gradient is zero if real and generated images of the class have equal densities.
    assert gradient("adcgan", [[-1.0, 1.0, -1.0, 1.0]], 0.4, 1) == pytest.approx(0, abs=1e-7)
