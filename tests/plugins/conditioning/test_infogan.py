"""InfoGAN's bound, compared with NumPy, and its codes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from ganlab.errors import ConfigError
from ganlab.types import Batch
from tests.plugins.conditioning.helpers import SPEC, batch, build, floats, scheme, step

Y = torch.tensor([0, 2, 1, 1])


def terms(out: np.ndarray, z: np.ndarray, **options: Any) -> dict[str, float]:
    fake = batch(torch.tensor(out), Y, name="infogan", z=torch.tensor(z))
    part = scheme("infogan", **options)
    # The real batch has no output of D: no term may use it, because its codes are unknown.
    real = Batch(torch.zeros(4, 1, 2, 2), torch.full((4,), -1))
    on_d = floats(part.d_terms(step("discriminator", real, fake), None))
    assert on_d == floats(part.g_terms(step("generator", real, fake), None))
    return on_d


def code(z: float) -> float:
    return math.erf(z / math.sqrt(2))  # 2 Phi(z) - 1


@pytest.mark.parametrize("fixed", [True, False])
def test_its_terms_are_the_bounds_on_mutual_information_of_both_kinds_of_codes(
    fixed: bool,
) -> None:
    random = np.random.default_rng(0)
    out, z = random.normal(size=(4, 3 + (2 if fixed else 4))), random.normal(size=(4, 5))
    categorical, continuous = [], []
    for row, noise, y in zip(out, z, Y.tolist(), strict=True):
        p = np.exp(row[:3]) / np.exp(row[:3]).sum()
        categorical.append(np.log(p[y]))
        density = 1.0
        for i in range(2):
            sigma = 1.0 if fixed else np.exp(row[5 + i])
            density *= np.exp(-((code(noise[i]) - row[3 + i]) ** 2) / (2 * sigma**2))
            density /= sigma * np.sqrt(2 * np.pi)
        continuous.append(np.log(density))
    expected = {
        "info_categorical": -2 * (np.mean(categorical) + np.log(3)),
        "info_continuous": -0.5 * (np.mean(continuous) + 2 * np.log(2)),
    }
    got = terms(out, z, categorical=2.0, continuous=0.5, fixed_std=fixed)
    assert got == pytest.approx(expected, rel=1e-5)


def test_by_hand() -> None:
    # With uniform Q the bound of the categorical code is 0. For a continuous code that Q predicts
    # exactly, with standard deviation 1, it is log 2 - log(2 pi) / 2.
    out, z = np.zeros((4, 4)), np.full((4, 5), 0.5)
    out[:, 3] = code(0.5)
    got = terms(out, z, codes=1, continuous=1.0)
    assert got["info_categorical"] == pytest.approx(0, abs=1e-6)
    assert got["info_continuous"] == pytest.approx(math.log(2 * math.pi) / 2 - math.log(2))


def test_without_continuous_codes_there_is_no_term_for_them() -> None:
    assert list(terms(np.zeros((4, 3)), np.zeros((4, 5)), codes=0)) == ["info_categorical"]


def test_g_gets_uniform_codes_instead_of_the_first_noise_and_the_label_appended() -> None:
    latent: Any = scheme("infogan").latent(5, SPEC)
    z = torch.randn(4000, 5)
    code = latent(z, torch.arange(4000) % 3)
    assert code.shape == (4000, latent.out_features) == (4000, 8)
    for i in range(2):
        ordered = code[:, i].sort().values
        torch.testing.assert_close(ordered, torch.linspace(-1, 1, 4000), atol=0.08, rtol=0)
    assert torch.equal(code[:, 2:5], z[:, 2:])
    assert torch.equal(code[:, 5:], torch.eye(3)[torch.arange(4000) % 3])


def test_d_never_sees_a_label() -> None:
    model, batches, _ = build("infogan", "dcgan")
    model.D.eval()
    x, y = batches.batch(0)
    a, b = model.D(x, y), model.D(x, (y + 1) % 3)
    assert torch.equal(a.logit, b.logit)
    assert torch.equal(a.auxiliary["infogan"], b.auxiliary["infogan"])


def test_as_many_codes_as_noise_elements_are_rejected() -> None:
    with pytest.raises(ConfigError) as error:
        build({"type": "infogan", "codes": 5}, "mlp")
    assert str(error.value).splitlines()[1:] == [
        "  conditioning: infogan needs train.z_dim > codes; got z_dim 5, codes 5"
    ]
