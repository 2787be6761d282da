"""The 2C and D2D-CE losses, compared with NumPy and with values computed by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.plugins.conditioning.helpers import SPEC, batch, floats, scheme, step

Y = np.array([0, 1, 0, 2, 1])


def units(seed: int, n: int = 5) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(n, 4))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def term(name: str, f: Any, v: Any, y: Any, **options: Any) -> float:
    """Return G's term for the embeddings f of generated images and v of their classes."""
    note = (torch.as_tensor(f).float(), torch.as_tensor(v).float())
    fake = batch(note, torch.as_tensor(y), name=name)
    (value,) = floats(scheme(name, **options).g_terms(step("generator", fake, fake), None)).values()
    return value


def two_c(f: np.ndarray, v: np.ndarray, y: np.ndarray, t: float) -> float:
    losses = []
    for i in range(len(y)):
        own = np.exp(f[i] @ v[i] / t)
        same = sum(np.exp(f[i] @ f[k] / t) for k in range(len(y)) if k != i and y[k] == y[i])
        every = sum(np.exp(f[i] @ f[k] / t) for k in range(len(y)) if k != i)
        losses.append(-np.log((own + same) / (own + every)))
    return float(np.mean(losses))


def d2d_ce(
    f: np.ndarray, v: np.ndarray, y: np.ndarray, tau: float, m_p: float, m_n: float
) -> float:
    losses = []
    for i in range(len(y)):
        own = np.exp(min(f[i] @ v[i] - m_p, 0) / tau)
        negatives = [j for j in range(len(y)) if y[j] != y[i]]
        others = sum(np.exp(max(f[i] @ f[j] - m_n, 0) / tau) for j in negatives)
        losses.append(-np.log(own / (own + others)))
    return float(np.mean(losses))


@pytest.mark.parametrize("temperature", [1.0, 0.1])
def test_contragan_is_equation_8(temperature: float) -> None:
    f, v = units(0), units(1, 3)[Y]
    expected = 3 * two_c(f, v, Y, temperature)
    value = term("contragan", f, v, Y, weight=3.0, temperature=temperature)
    assert value == pytest.approx(expected, rel=1e-4)


def test_contragan_by_hand() -> None:
    # Three orthogonal images equal to their class embeddings, the first two of one class, t = 1:
    # the ratio is (e + 1) / (e + 2) for the first two and e / (e + 2) for the third.
    f, e = np.eye(3), math.e
    expected = -(2 * math.log((e + 1) / (e + 2)) + math.log(e / (e + 2))) / 3
    assert term("contragan", f, f, [0, 0, 1]) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("margins", [(0.98, 0.02), (0.3, -0.2), (0.5, 0.5)])
def test_reacgan_is_equation_8_with_its_margins(margins: tuple[float, float]) -> None:
    f, v = units(0), units(1, 3)[Y]
    m_p, m_n = margins
    value = term("reacgan", f, v, Y, m_p=m_p, m_n=m_n, weight=0.5, temperature=0.25)
    assert value == pytest.approx(0.5 * d2d_ce(f, v, Y, 0.25, m_p, m_n), rel=1e-4)


def test_reacgan_by_hand_on_both_sides_of_its_margins() -> None:
    f = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]])
    v = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    # Similarities to the class embedding 1, .8, 1, with m_p = .9: 0, -.1, 0. Between images of two
    # classes .6 (1 and 2) and 0 (1 and 3), with m_n = .1: .5 and 0. tau = .5.
    first = -math.log(1 / (1 + math.exp(1.0) + 1))
    second = -math.log(math.exp(-0.2) / (math.exp(-0.2) + math.exp(1.0)))
    third = -math.log(1 / (1 + 1))
    value = term("reacgan", f, v, [0, 1, 1], m_p=0.9, m_n=0.1)
    assert value == pytest.approx((first + second + third) / 3, rel=1e-5)


def test_reacgan_has_no_gradient_beyond_its_margins() -> None:
    f = torch.tensor([[1.0, 0.0], [0.0, 1.0]], requires_grad=True)
    fake = batch((f, f.detach()), torch.tensor([0, 1]), name="reacgan")
    (value,) = scheme("reacgan").g_terms(step("generator", fake, fake), None).values()
    value.backward()
    assert value.item() == pytest.approx(math.log(2))
    assert f.grad is not None
    assert not f.grad.any()


@pytest.mark.parametrize("name", ["contragan", "reacgan"])
def test_d_learns_from_real_and_g_from_generated_images(name: str) -> None:
    notes = [(torch.tensor(units(s)).float(), torch.tensor(units(s + 1)).float()) for s in (0, 5)]
    real, fake = (batch(note, torch.tensor(Y), name=name) for note in notes)
    part = scheme(name)
    assert part.d_terms(step("discriminator", real, fake), None) == part.g_terms(
        step("generator", fake, real), None
    )
    assert part.d_terms(step("discriminator", real, fake), None) != part.d_terms(
        step("discriminator", fake, real), None
    )


@pytest.mark.parametrize("name", ["contragan", "reacgan"])
def test_one_hot_rows_equal_indices_and_mixtures_lie_between(name: str) -> None:
    f, v = units(0), units(1, 3)[Y]
    rows = np.eye(3, dtype=np.float32)[Y]
    pure = term(name, f, v, Y)
    assert term(name, f, v, rows) == pytest.approx(pure, rel=1e-5)
    rows[0] = (0.5, 0.5, 0)
    assert term(name, f, v, rows) != pytest.approx(pure, rel=1e-3)


@pytest.mark.parametrize("name", ["contragan", "reacgan"])
def test_embeddings_have_norm_1_and_the_direction_of_their_class(name: str) -> None:
    note: Any = scheme(name, size=4).auxiliary(6, SPEC)
    h, y = torch.randn(5, 6), torch.tensor(Y)
    images, proxies = note(h, y)
    assert images.shape == proxies.shape == (5, 4)
    lengths: Tensor = torch.cat([images, proxies]).norm(dim=1)
    torch.testing.assert_close(lengths, torch.ones(10))
    table = note.embed.table.weight
    torch.testing.assert_close(proxies, table[y] / table[y].norm(dim=1, keepdim=True))
    assert not torch.equal(proxies, note(h, (y + 1) % 3)[1])
    torch.testing.assert_close(note(h, torch.eye(3)[y])[1], proxies)


def test_contragan_can_have_a_hidden_layer() -> None:
    note: Any = scheme("contragan", size=4, hidden=7).auxiliary(6, SPEC)
    assert [tuple(p.shape) for p in note.project.parameters()] == [(7, 6), (7,), (4, 7), (4,)]
