"""The schemes with their own head of D, and the multi-class hinge loss."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from ganlab.errors import ConfigError
from tests.plugins.conditioning.helpers import SPEC, batch, build, scheme, step

Y = torch.tensor([0, 2, 1, 1])


def margin(scores: np.ndarray, k: int) -> float:
    return max(0.0, 1 - scores[k] + max(np.delete(scores, k)))


def test_multi_hinge_is_the_margin_of_the_class_and_of_generated() -> None:
    random = np.random.default_rng(0)
    real, fake = random.normal(size=(4, 4)), random.normal(size=(4, 4))
    fake_y = torch.tensor([1, 0, 2, 2])
    at = [
        batch(torch.tensor(real), Y, name="multi-hinge"),
        batch(torch.tensor(fake), fake_y, name="multi-hinge"),
    ]
    part = scheme("multi-hinge")

    def never() -> Any:
        raise AssertionError("it replaces the loss")

    on_d = part.adversarial(step("discriminator", *at), never, None)
    assert on_d.tolist() == pytest.approx(
        [margin(r, int(y)) + margin(f, 3) for r, f, y in zip(real, fake, Y, strict=True)]
    )
    on_g = part.adversarial(step("generator", *at), never, None)
    assert on_g.tolist() == pytest.approx(
        [margin(f, int(y)) for f, y in zip(fake, fake_y, strict=True)]
    )


def test_multi_hinge_by_hand() -> None:
    # Two classes and "generated": the margin is to the largest other score.
    real = torch.tensor([[2.0, 0.5, -1.0], [0.0, 0.0, 0.0]])
    fake = torch.tensor([[0.5, 0.0, 1.0], [3.0, 1.0, -1.0]])
    y = torch.tensor([0, 1])
    at = [batch(real, y, name="multi-hinge"), batch(fake, y, name="multi-hinge")]
    part = scheme("multi-hinge")
    # Real: 1 - 2 + .5 < 0, so 0; 1 - 0 + 0. Generated: 1 - 1 + .5; 1 + 1 + 3.
    on_d = part.adversarial(step("discriminator", *at), lambda: real, None)
    assert on_d.tolist() == pytest.approx([0 + 0.5, 1 + 5])
    # For G: 1 - .5 + 1; 1 - 1 + 3.
    on_g = part.adversarial(step("generator", *at), lambda: real, None)
    assert on_g.tolist() == pytest.approx([1.5, 3])


def test_the_logit_of_multi_hinge_is_the_class_score_minus_the_generated_score() -> None:
    head = scheme("multi-hinge").head(5, nn.Linear(5, 1), SPEC)
    assert head is not None
    h = torch.randn(4, 5)
    logit, scores = head(h, Y)
    assert scores.shape == (4, 4)
    torch.testing.assert_close(logit, scores[torch.arange(4), Y] - scores[:, 3])
    torch.testing.assert_close(head(h, torch.eye(3)[Y])[0], logit)


def test_multi_hinge_rejects_an_additional_loss() -> None:
    with pytest.raises(ConfigError, match="'multi-hinge' replaces the loss"):
        build([{"type": "concat"}, {"type": "multi-hinge"}], "mlp", loss="hinge")


def test_multi_disc_is_the_output_of_the_label() -> None:
    head: Any = scheme("multi-disc").head(5, nn.Linear(5, 1), SPEC)
    h = torch.randn(4, 5)
    weight, bias = head.rows.weight.detach().numpy(), head.rows.bias.detach().numpy()
    expected = [weight[y] @ row + bias[y] for row, y in zip(h.numpy(), Y.tolist(), strict=True)]
    assert head(h, Y).tolist() == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_multi_disc_averages_the_outputs_of_soft_labels() -> None:
    head: Any = scheme("multi-disc").head(5, nn.Linear(5, 1), SPEC)
    h = torch.randn(1, 5)
    pure = [head(h, torch.tensor([label])).item() for label in range(3)]
    mixed = head(h, torch.tensor([[0.5, 0.2, 0.3]])).item()
    assert mixed == pytest.approx(np.dot([0.5, 0.2, 0.3], pure), rel=1e-5)
