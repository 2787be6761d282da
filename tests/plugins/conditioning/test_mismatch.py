"""GAN-CLS: D must reject real images with a wrong label, with half of the weight."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from ganlab import DataSpec, DiscriminatorOutput
from ganlab.step import Step
from ganlab.types import Batch
from plugins.conditioning.mismatch import other_labels
from tests.plugins.conditioning.helpers import loss, scheme, step

SIX = DataSpec(6, 16, 1, tuple("abcdef"))


class Remembering(nn.Module):
    """A discriminator with the logit first pixel + label / 10, which records its inputs."""

    def forward(self, x: Tensor, y: Tensor) -> DiscriminatorOutput:
        self.seen = y
        return DiscriminatorOutput(x[:, 0, 0, 0] + y / 10, x.flatten(1), {})


def at(role: str, loss_name: str = "bce", n: int = 4) -> Step:
    d = Remembering()
    x, y = torch.linspace(-1, 1, n).view(n, 1, 1, 1), torch.arange(n) % 6
    real = Batch(x, y, d_output=d(x, y))
    fake = Batch(-x, y, d_output=d(-x, y))
    return step(role, real, fake, spec=SIX, D=d, loss=loss(loss_name))  # type: ignore[arg-type]


def test_it_is_log_right_plus_half_of_log_wrong_and_log_generated() -> None:
    s = at("discriminator")
    plain = s.loss.d(s.real.output.logit, s.fake.output.logit)
    value = scheme("mismatch").adversarial(s, lambda: plain, None)
    wrong_y = s.D.seen
    for i in range(4):
        x, y = s.real.x[i].item(), s.real.y[i].item()
        right = 1 / (1 + math.exp(-(x + y / 10)))
        wrong = 1 / (1 + math.exp(-(x + wrong_y[i].item() / 10)))
        generated = 1 / (1 + math.exp(-(-x + y / 10)))
        expected = math.log(right) + (math.log(1 - wrong) + math.log(1 - generated)) / 2
        assert -value[i].item() == pytest.approx(expected, rel=1e-4)


def test_by_hand_with_the_hinge_and_a_weight() -> None:
    s = at("discriminator", "hinge", n=2)
    # Real logits -1 and 1.1, generated 1 and -.9: losses 2 + 2 and 0 + .1.
    plain = s.loss.d(s.real.output.logit, s.fake.output.logit)
    assert plain.tolist() == pytest.approx([4, 0.1])
    value = scheme("mismatch", weight=0.25).adversarial(s, lambda: plain, None)
    wrong = s.D.seen / 10 + torch.tensor([-1.0, 1.0])
    by_wrong = [2 + max(0, 1 + wrong[0].item()), 0 + max(0, 1 + wrong[1].item())]
    assert value.tolist() == pytest.approx(
        [0.75 * 4 + 0.25 * by_wrong[0], 0.75 * 0.1 + 0.25 * by_wrong[1]]
    )


def test_the_loss_of_g_does_not_change() -> None:
    s = at("generator")
    plain = s.loss.g(s.fake.output.logit)
    assert scheme("mismatch").adversarial(s, lambda: plain, None) is plain


def test_wrong_labels_are_uniform_over_the_other_classes() -> None:
    torch.manual_seed(0)
    s = at("discriminator")
    s.real = Batch(torch.zeros(12000, 1, 1, 1), torch.full((12000,), 4))
    counts = torch.bincount(other_labels(s, s.real.y), minlength=6)
    assert counts[4] == 0
    others = counts[torch.tensor([0, 1, 2, 3, 5])]
    assert (others - 2400).abs().max() < 5 * math.sqrt(2400)


def test_rows_are_rolled_like_indices() -> None:
    s = at("discriminator")
    y = torch.arange(6)
    torch.manual_seed(3)
    indices = other_labels(s, y)
    torch.manual_seed(3)
    rows = other_labels(s, torch.eye(6))
    assert torch.equal(rows, torch.eye(6)[indices])
