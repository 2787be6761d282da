"""Adaptive discriminator augmentation: distributions, colours, and the adaptive strength."""

from __future__ import annotations

import colorsys
import math
from typing import Any

import numpy as np
import pytest
import torch
from ganlab_plugins.augmentations.ada import Draw, colors, geometry, recolor
from torch import Tensor

from ganlab.run_directory import Progress
from tests.plugins.stand import SPEC, active, build, part, step_of
from tests.training.helpers import iterate_once

SINGLE = ["flip", "rotate90", "translate", "scale", "rotate", "stretch", "shift"]
COLOR = ["brightness", "contrast", "luma-flip", "hue", "saturation"]
N = 4000


def batch(n: int = 8, channels: int = 3, size: int = 16) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(n, channels, size, size, generator=generator) * 2 - 1


def augmented(x: Tensor, **options: Any) -> Tensor:
    component = active(part("augmentation", "ada", **options))
    step = step_of(real=x, fake=x)
    return component.component.augment(x, step, component.state)


def drawn(p: float) -> Draw:
    x = torch.zeros(N, 3, 1, 20)
    torch.manual_seed(0)
    return Draw(x, step_of(real=x, fake=x), torch.tensor(p))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("policy", [["blit", "geometry", "color"], *([one] for one in SINGLE)])
def test_at_p_0_nothing_changes(policy: list[str], channels: int) -> None:
    x = batch(channels=channels)
    torch.testing.assert_close(augmented(x, p=0, policy=policy), x, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", [*SINGLE, *COLOR])
def test_at_p_1_each_transform_changes_each_image_differently(name: str) -> None:
    x = batch(1).expand(64, -1, -1, -1)
    got = augmented(x, p=1, policy=[name]).flatten(1)
    different = {tuple(row) for row in got.mul(1e3).round().int().tolist()}
    kinds = {"flip": 2, "luma-flip": 2, "rotate90": 4, "translate": 15}
    assert len(different) >= kinds.get(name, 64) - 1 + (name in ("flip", "luma-flip", "rotate90"))


@pytest.mark.parametrize("name", [*SINGLE, *COLOR])
def test_at_p_one_half_about_half_of_the_images_change(name: str) -> None:
    x = batch(1).expand(400, -1, -1, -1)
    changed = (augmented(x, p=0.5, policy=[name]) - x).abs().flatten(1).amax(1) > 1e-3
    # Some draws are the identity: 1/2 of the flips, 1/4 of the rotations, and so on.
    share = 0.5 * {"flip": 1 / 2, "luma-flip": 1 / 2, "rotate90": 3 / 4, "translate": 24 / 25}.get(
        name, 1.0
    )
    assert changed.double().mean().item() == pytest.approx(share, abs=0.08)


@pytest.mark.parametrize("name", ["hue", "saturation"])
def test_grey_images_have_no_hue_and_no_saturation(name: str) -> None:
    x = batch(channels=1)
    assert torch.equal(augmented(x, p=1, policy=[name]), x)


@pytest.mark.parametrize("name", ["brightness", "contrast", "luma-flip"])
def test_a_grey_image_changes_as_a_colour_image_of_three_equal_channels(name: str) -> None:
    x = batch(channels=1)
    results = []
    for images in (x, x.expand(-1, 3, -1, -1)):
        torch.manual_seed(0)
        results.append(augmented(images, p=1, policy=[name]))
    torch.testing.assert_close(results[0], results[1].mean(1, keepdim=True))


# --------------------------------------------- the distributions of the parameters


def maps(*chosen: str, p: float = 1.0) -> np.ndarray:
    return geometry(set(chosen), drawn(p)).double().numpy()


def test_scales_are_log_normal_and_equal_in_both_directions() -> None:
    m = maps("scale")
    np.testing.assert_allclose(m[:, 0, 0], m[:, 1, 1])
    logs = -np.log2(m[:, 0, 0])
    assert logs.std() == pytest.approx(0.2, rel=0.05)
    assert logs.mean() == pytest.approx(0, abs=0.02)
    assert abs(m[:, [0, 1], [1, 0]]).max() == 0


def test_stretches_preserve_the_area() -> None:
    m = maps("stretch")
    np.testing.assert_allclose(np.linalg.det(m), 1, rtol=1e-5)
    assert np.log2(m[:, 0, 0]).std() == pytest.approx(0.2, rel=0.05)


@pytest.mark.parametrize("p", [0.3, 1.0])
def test_a_rotation_happens_before_or_after_the_stretch_with_probability_p(p: float) -> None:
    m = maps("rotate", p=p)
    np.testing.assert_allclose(m[:, :2, :2] @ m[:, :2, :2].transpose(0, 2, 1), [np.eye(2)] * N,
                               atol=1e-6)  # fmt: skip
    turned = abs(np.arctan2(m[:, 1, 0], m[:, 0, 0])) > 1e-6
    assert turned.mean() == pytest.approx(p, abs=0.03)


def test_shifts_have_a_standard_deviation_of_an_eighth_of_the_size() -> None:
    m = maps("shift")
    assert m[:, :2, 2].std(0) == pytest.approx([20 / 8, 20 / 8], rel=0.05)
    np.testing.assert_array_equal(m[:, :2, :2], [np.eye(2)] * N)


# ----------------------------------------------------------------------------- colours


def color(name: str, x: Tensor, p: float = 1.0) -> tuple[Tensor, Tensor]:
    draw = drawn(p)
    draw.n, draw.zero = len(x), x.new_zeros(len(x))
    torch.manual_seed(7)
    m = colors({name}, draw, channels=3)
    return recolor(x, m), m


def test_brightness_adds_the_same_to_every_channel() -> None:
    x = batch(N, size=1)
    got, _ = color("brightness", x)
    added = (got - x).flatten(1)
    torch.testing.assert_close(added, added[:, :1].expand(-1, 3), atol=1e-6, rtol=0)
    assert added[:, 0].std().item() == pytest.approx(0.2, rel=0.05)


def test_contrast_multiplies_by_a_power_of_two() -> None:
    x = batch(N, size=1) + 3
    got, _ = color("contrast", x)
    factor = (got / x).flatten(1)
    torch.testing.assert_close(factor, factor[:, :1].expand(-1, 3))
    assert factor[:, 0].log2().std().item() == pytest.approx(0.5, rel=0.05)


def test_a_luma_flip_negates_luma_and_preserves_chroma() -> None:
    x = batch(50)
    got, _ = color("luma-flip", x)
    mean = x.mean(1, keepdim=True)
    flipped = x - 2 * mean
    same = (got - x).flatten(1).abs().amax(1) < 1e-5
    assert 10 < same.sum() < 40
    torch.testing.assert_close(got[~same], flipped[~same], atol=1e-5, rtol=1e-5)


def test_a_hue_rotation_by_a_third_permutes_the_channels() -> None:
    from ganlab_plugins.augmentations.ada import turned_hue

    x = batch(3)
    angles = torch.tensor([0.0, 2 * math.pi / 3, 4 * math.pi / 3])
    got = recolor(x, turned_hue(angles))
    torch.testing.assert_close(got[0], x[0], atol=1e-6, rtol=0)
    torch.testing.assert_close(got[1], x[1][[2, 0, 1]], atol=1e-6, rtol=0)
    torch.testing.assert_close(got[2], x[2][[1, 2, 0]], atol=1e-6, rtol=0)


def test_hue_preserves_brightness_and_saturation_and_rotates_pure_colours() -> None:
    x = batch(N, size=1)
    got, _ = color("hue", x)
    before, after = x.flatten(1).double(), got.flatten(1).double()
    torch.testing.assert_close(after.mean(1), before.mean(1), atol=1e-6, rtol=0)
    torch.testing.assert_close(after.std(1), before.std(1), atol=1e-5, rtol=1e-4)
    red = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1).expand(N, -1, -1, -1)
    turned, _ = color("hue", red)
    hues = [colorsys.rgb_to_hsv(*row)[0] for row in turned.flatten(1).clamp(0).tolist()]
    counts, _ = np.histogram(hues, bins=6, range=(0, 1))
    assert counts.min() > 0.7 * N / 6


def test_saturation_scales_the_distance_from_grey() -> None:
    x = batch(N, size=1)
    got, _ = color("saturation", x)
    torch.testing.assert_close(got.mean(1), x.mean(1), atol=1e-6, rtol=0)
    factor = got.flatten(1).std(1) / x.flatten(1).std(1)
    assert factor.log2().std().item() == pytest.approx(1, rel=0.05)


# ------------------------------------------------------------------------ the strength


def test_gradients_and_double_backward_flow_through_it() -> None:
    x = batch(4).requires_grad_()
    y = augmented(x, p=1)
    (gradient,) = torch.autograd.grad(y.square().sum(), x, create_graph=True)
    assert (gradient.flatten(1).abs().sum(1) > 0).all()
    (second,) = torch.autograd.grad(gradient.square().sum(), x)
    assert torch.isfinite(second).all()
    assert second.abs().sum() > 0


def strengths(logit: Any, steps: int, name: str = "ada", **options: Any) -> list[float]:
    """Return p after each D update."""
    component = active(part("augmentation", name, **options))
    x = batch(8)
    found = []
    for i in range(steps):
        step = step_of(real=x, fake=x, logit=logit, index=i)
        with torch.no_grad():
            component.component.after_step(step, component.state)
        found.append(component.state.p.item())
    return found


@pytest.mark.parametrize("name", ["ada", "apa"])
def test_p_increases_at_the_papers_speed_while_d_is_right_about_all_real_images(name: str) -> None:
    p = strengths(lambda x, y: 1 + 0 * y.float(), 12, name)
    step = 4 * 8 / 500_000
    assert p == pytest.approx([0] * 3 + [step] * 4 + [2 * step] * 4 + [3 * step])


@pytest.mark.parametrize("name", ["ada", "apa"])
def test_p_decreases_while_r_is_below_the_target_and_stays_in_its_range(name: str) -> None:
    # Five of eight real images have a positive logit: r = 0.25 is less than 0.6.
    unsure = torch.tensor([1.0, 2, 3, 4, 5, -1, -2, -3])
    p = strengths(lambda x, y: unsure, 8, name, p=0.5, images_to_full=80, adapt_every=1)
    assert p == pytest.approx([0.4, 0.3, 0.2, 0.1, 0, 0, 0, 0], abs=1e-6)
    sure = strengths(lambda x, y: 1 + 0 * y.float(), 8, name, p=0.65, images_to_full=80,
                     adapt_every=1)  # fmt: skip
    assert sure == pytest.approx([0.75, 0.85, 0.95, 1, 1, 1, 1, 1])


def test_r_is_the_mean_over_all_updates_since_the_last_change() -> None:
    """Three batches with r = 1 and one with r = -1 have the mean r = 0.5, less than 0.6."""
    component = active(part("augmentation", "ada", p=0.5))
    x = batch(8)
    for i, sign in enumerate([1, 1, 1, -1]):
        step = step_of(real=x, fake=x, logit=lambda x, y, sign=sign: sign + 0.0 * y, index=i)
        with torch.no_grad():
            component.component.after_step(step, component.state)
    assert step.logged["ada_r"].item() == 0.5
    assert step.logged["ada_p"].item() == pytest.approx(0.5 - 4 * 8 / 500_000)
    assert component.state.r == 0


def test_a_fixed_p_and_an_update_of_g_change_nothing() -> None:
    assert strengths(lambda x, y: 1 + 0 * y.float(), 8, p=0.3, target=None) == pytest.approx(
        [0.3] * 8
    )
    component = active(part("augmentation", "ada", adapt_every=1))
    step = step_of("generator", real=batch(), fake=batch())
    component.component.after_step(step, component.state)
    assert component.state.p == 0


def test_it_augments_all_images_that_d_sees_in_both_updates() -> None:
    model, batches, options = build(augmentations=[{"type": "ada", "p": 1, "target": None}])
    seen: list[Tensor] = []
    shown: list[Tensor] = []
    ada = model.components[-1]
    original = type(ada.component).augment

    def spy(self: Any, x: Tensor, step: Any, state: Any) -> Tensor:
        seen.append(x.detach())
        shown.append(original(self, x, step, state))
        return shown[-1]

    type(ada.component).augment = spy  # type: ignore[method-assign]
    try:
        iterate_once(model, batches, Progress(), options)
    finally:
        type(ada.component).augment = original  # type: ignore[method-assign]
    assert len(seen) == 3  # real and generated in the D update, generated in the G update
    assert torch.equal(seen[1], seen[2])
    assert not torch.equal(shown[1].detach(), shown[2].detach())


def test_the_state_is_p_and_the_sum_since_the_last_change() -> None:
    assert set(part("augmentation", "ada").state(SPEC).state_dict()) == {"p", "r"}
