"""Regularizers without double backward: LeCam, consistency, orthogonality, clipping, top-k."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from ganlab_plugins.regularizers._shifts import flip_and_shift
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from ganlab.errors import ConfigError
from ganlab.step import Step
from ganlab.types import Batch, DiscriminatorOutput
from tests.plugins.stand import SPEC, Classifier, Draw, build, part, step_of

torch.manual_seed(0)
REAL, FAKE = torch.randn(6, 1, 4, 4), torch.randn(6, 1, 4, 4)


def with_logits(real: list[float], fake: list[float], role: Any = "discriminator") -> Step:
    """Return a step with these logits."""
    step = step_of(role, real=torch.zeros(len(real), 1, 4, 4), fake=torch.zeros(len(fake), 1, 4, 4))
    sides = []
    for batch, logits in ((step.real, real), (step.fake, fake)):
        output = DiscriminatorOutput(
            torch.tensor(logits, requires_grad=True), batch.x.flatten(1), {}
        )
        sides.append(Batch(batch.x, batch.y, batch.z, output))
    step.real, step.fake = sides
    return step


# --------------------------------------------------------------------------------- lecam


def test_lecam_equals_its_formula_with_the_average_of_the_other_batch() -> None:
    lecam = part("regularizer", "lecam", weight=0.5, start_steps=1)
    state = lecam.state(SPEC)
    state.real.fill_(1.5), state.fake.fill_(-1.0), state.updates.fill_(1)
    step = with_logits([2.0, -3.0], [0.5, 4.0])
    # D(x) + 1: 3, -2. D(G(z)) - 1.5: -1, 2.5.
    expected = 0.5 * ((9 + 4) / 2 + (1 + 6.25) / 2)
    assert lecam.d_terms(step, state)["lecam"].item() == pytest.approx(expected)
    one_sided = part("regularizer", "lecam", weight=0.5, start_steps=1, one_sided=True)
    # Only D(x) above -1 and D(G(z)) below 1.5 count.
    expected = 0.5 * (9 / 2 + 1 / 2)
    assert one_sided.d_terms(step, state)["lecam"].item() == pytest.approx(expected)


def test_lecams_averages_are_exponential_and_begin_with_the_last_batch() -> None:
    lecam = part("regularizer", "lecam", decay=0.9, start_steps=2)
    state = lecam.state(SPEC)
    real, fake = [1.0, 2.0, 4.0, 8.0], [-1.0, 0.0, 3.0, 5.0]
    terms = []
    for r, f in zip(real, fake, strict=True):
        step = with_logits([r, r], [f, f])
        terms.append(lecam.d_terms(step, state)["lecam"].item())
        with torch.no_grad():
            lecam.after_step(step, state)
            lecam.after_step(with_logits([99.0], [99.0], "generator"), state)
    assert state.real.item() == pytest.approx(0.9 * (0.9 * 2 + 0.1 * 4) + 0.1 * 8)
    assert state.fake.item() == pytest.approx(0.9 * (0.9 * 0 + 0.1 * 3) + 0.1 * 5)
    assert state.updates == 4
    assert terms[:2] == [0, 0]
    assert terms[2] == pytest.approx(0.3 * ((4 - 0) ** 2 + (2 - 3) ** 2))


# --------------------------------------------------------------------------- consistency


def shifted(x: np.ndarray, mirror: bool, down: int, right: int) -> np.ndarray:
    """Shift one image (H, W) up and left, with NumPy."""
    x = x[:, ::-1] if mirror else x
    wide = np.pad(x, 4, mode="reflect")
    return wide[4 + down : 4 + down + len(x), 4 + right : 4 + right + len(x)]


def test_each_image_has_its_own_flip_and_shift() -> None:
    x = torch.randn(40, 1, 8, 8)
    changed = flip_and_shift(x, step_of(real=x, fake=x), flip=True, shift=0.25)
    found = set()
    for before, after in zip(x[:, 0].numpy(), changed[:, 0].numpy(), strict=True):
        for way in np.ndindex(2, 5, 5):
            mirror, down, right = bool(way[0]), way[1] - 2, way[2] - 2
            if np.array_equal(shifted(before, mirror, down, right), after):
                found.add((mirror, down, right))
                break
        else:
            raise AssertionError("no way of moving the image gives this")
    assert len(found) > 20
    unchanged = flip_and_shift(x, step_of(real=x, fake=x), flip=False, shift=0)
    assert torch.equal(unchanged, x)


def corner(x: Tensor, y: Tensor) -> Tensor:
    """Return a logit that changes with a shift or a flip."""
    return x[:, 0, 0, 0] + 10 * y


def test_cr_is_the_squared_change_of_the_logit() -> None:
    cr = part("regularizer", "cr", weight=3, shift=0.25)
    step = step_of(real=REAL, fake=FAKE, logit=corner)
    torch.manual_seed(1)
    changed = flip_and_shift(REAL, step, flip=True, shift=0.25)
    expected = 3 * (REAL[:, 0, 0, 0] - changed[:, 0, 0, 0]).double().square().mean()
    torch.manual_seed(1)
    assert cr.d_terms(step, None)["cr"].item() == pytest.approx(expected.item(), rel=1e-5)
    assert expected > 0
    still = part("regularizer", "cr", flip=False, shift=0)
    assert still.d_terms(step, None)["cr"].item() == 0


def test_bcr_uses_the_labels_and_the_weight_of_each_batch() -> None:
    bcr = part("regularizer", "bcr", real=2, fake=5)
    step = step_of(real=REAL, fake=FAKE, logit=corner)
    torch.manual_seed(1)
    real = flip_and_shift(REAL, step, flip=True, shift=0.125)[:, 0, 0, 0]
    fake = flip_and_shift(FAKE, step, flip=True, shift=0.125)[:, 0, 0, 0]
    torch.manual_seed(1)
    terms = bcr.d_terms(step, None)
    expected = 2 * (REAL[:, 0, 0, 0] - real).square().mean().item()
    assert terms["bcr_real"].item() == pytest.approx(expected, rel=1e-5)
    expected = 5 * (FAKE[:, 0, 0, 0] - fake).square().mean().item()
    assert terms["bcr_fake"].item() == pytest.approx(expected, rel=1e-5)


def zcr_step(role: Any) -> tuple[Step, Tensor]:
    torch.manual_seed(0)
    weight, z = torch.randn(16, 5), torch.randn(6, 5)
    G = Draw(weight)
    step = step_of(role, real=REAL, fake=G(z, z), z=z, G=G)
    torch.manual_seed(2)
    change = 0.1 * torch.randn(6, 5) @ weight.T  # (N, pixels): the change of the images
    torch.manual_seed(2)
    return step, change.double()


def test_zcr_in_d_is_the_squared_change_of_the_logit_with_a_gradient_only_for_d() -> None:
    step, change = zcr_step("discriminator")
    term = part("regularizer", "zcr", d=7, sigma=0.1).d_terms(step, None)["zcr"]
    assert term.item() == pytest.approx(7 * change.sum(1).square().mean().item(), rel=1e-4)


def test_zcr_in_g_is_negative_and_rewards_different_images() -> None:
    step, change = zcr_step("generator")
    term = part("regularizer", "zcr", g=7, sigma=0.1).g_terms(step, None)["zcr"]
    assert term.item() == pytest.approx(-7 * change.square().mean().item(), rel=1e-4)
    term.backward()
    weight = step.G.weight
    assert (
        weight.grad * weight
    ).sum() < 0  # larger weights give larger differences and a smaller loss


# ------------------------------------------------------------------------- orthogonality


class Two(nn.Module):
    def __init__(self, *, normalised: bool = False) -> None:
        super().__init__()
        self.linear = nn.Linear(2, 2)
        self.up = nn.ConvTranspose2d(2, 3, 2)
        self.table = nn.Embedding(4, 2)
        with torch.no_grad():
            self.linear.weight.copy_(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
            self.up.weight.copy_(torch.arange(24.0).view(2, 3, 2, 2) / 10)
        if normalised:
            spectral_norm(self.linear)


@pytest.mark.parametrize("normalised", [False, True])
def test_orthogonal_is_the_sum_of_squared_products_of_different_rows(normalised: bool) -> None:
    step = step_of("generator", real=REAL, fake=FAKE, G=Two(normalised=normalised))
    # [1 2] . [3 4] = 11, twice.
    rows = (np.arange(24.0).reshape(2, 3, 4) / 10).transpose(1, 0, 2).reshape(3, 8)
    products = rows @ rows.T
    up = (products**2).sum() - (np.diag(products) ** 2).sum()
    expected = 0.5 * (2 * 11**2 + up)
    terms = part("regularizer", "orthogonal", weight=0.5).g_terms(step, None)
    assert terms["orthogonal"].item() == pytest.approx(expected, rel=1e-5)


def test_orthogonal_regularises_the_chosen_network() -> None:
    network = Two()
    for where, roles in (("generator", "g"), ("discriminator", "d"), ("both", "gd")):
        for role in ("generator", "discriminator"):
            step = step_of(role, real=REAL, fake=FAKE, G=network)
            step.D = network
            component = part("regularizer", "orthogonal", network=where)
            terms = getattr(component, f"{role[0]}_terms")(step, None)
            assert bool(terms) == (role[0] in roles), (where, role)


# ---------------------------------------------------------------- clipping and top-k


def test_weight_clip_clips_d_only_after_d_updates() -> None:
    step = step_of(real=REAL, fake=FAKE)
    step.D = nn.Linear(3, 2)
    weight = torch.tensor([[0.5, -0.02, 0.003], [-0.5, 0.01, 0.0]])
    with torch.no_grad():
        step.D.weight.copy_(weight)
        step.D.bias.copy_(torch.tensor([0.2, -0.2]))
        clip = part("regularizer", "weight-clip", limit=0.01)
        step.role = "generator"
        clip.after_step(step, None)
        assert torch.equal(step.D.weight, weight)
        step.role = "discriminator"
        clip.after_step(step, None)
    expected = torch.tensor([[0.01, -0.01, 0.003], [-0.01, 0.01, 0.0]])
    assert torch.equal(step.D.weight, expected)
    assert torch.equal(step.D.bias, torch.tensor([0.01, -0.01]))


@pytest.mark.parametrize(("share", "k"), [(1.0, 6), (0.5, 3), (1 / 3, 2), (0.01, 1)])
def test_top_k_trains_g_on_the_mean_over_the_k_largest_logits(share: float, k: int) -> None:
    logits = [0.1, 3.0, -2.0, 1.0, 0.5, 1.5]
    step = with_logits(logits, logits, "generator")
    logit = step.fake.output.logit
    loss = part("regularizer", "top-k", share=share).adversarial(step, lambda: -logit, None)
    loss.mean().backward()
    kept = sorted(range(6), key=lambda i: -logits[i])[:k]
    expected = torch.tensor([-1 / k if i in kept else 0.0 for i in range(6)])
    torch.testing.assert_close(logit.grad, expected)
    best = sorted(logits)[-k:]
    assert loss.mean().item() == pytest.approx(-np.mean(best), rel=1e-6)


def test_top_k_keeps_k_images_if_all_logits_are_equal() -> None:
    step = with_logits([1.0] * 6, [1.0] * 6, "generator")
    logit = step.fake.output.logit
    part("regularizer", "top-k", share=0.5).adversarial(step, lambda: -logit, None).sum().backward()
    assert logit.grad.count_nonzero() == 3


def test_top_k_does_not_change_ds_loss() -> None:
    step = with_logits([1.0, 2.0], [3.0, 4.0])
    loss = torch.tensor([5.0, 6.0])
    assert part("regularizer", "top-k", share=0.5).adversarial(step, lambda: loss, None) is loss


def test_the_default_of_top_k_is_the_schedule_of_the_paper() -> None:
    """k is multiplied by 0.99 at each epoch of 50,000 images, down to half of the batch."""
    share = part("regularizer", "top-k").share
    for epoch in (0, 1, 10, 50):
        assert share.at(50_000 * epoch) == pytest.approx(0.99**epoch, rel=1e-3)
    assert share.at(50_000 * 100) == 0.5


@pytest.mark.parametrize("share", [0, 1.5, "1 to 0 over 5 images"])
def test_top_k_rejects_an_invalid_fraction(share: Any) -> None:
    with pytest.raises(ConfigError) as error:
        build(regularizers=[{"type": "top-k", "share": share}])
    (problem,) = error.value.problems
    assert str(problem) == "regularizers.0.share: must be more than 0 and at most 1"


def test_the_test_network_is_a_discriminator() -> None:
    assert Classifier(corner)(REAL, torch.zeros(6)).logit.shape == (6,)
