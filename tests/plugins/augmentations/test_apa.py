"""Adaptive pseudo augmentation: labels, probabilities, and the overfitting measure."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ganlab.run_directory import Progress
from ganlab.types import Batch
from tests.plugins.stand import active, build, part, step_of
from tests.training.helpers import iterate_once


class Labelled(nn.Module):
    """A generator of images whose pixels are all 10 + label."""

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        label = y.argmax(1) if y.dim() == 2 else y
        return (10.0 + label).view(-1, 1, 1, 1).expand(-1, 1, 4, 4)


def shown_as_real(p: float, y: Tensor, fake_y: Tensor) -> Batch:
    n = len(y)
    label = y.argmax(1) if y.dim() == 2 else y
    real = label.float().view(-1, 1, 1, 1).expand(-1, 1, 4, 4)
    step = step_of(real=real, fake=real, z=torch.zeros(n, 2), G=Labelled(), y=y)
    step.fake = Batch(step.fake.x, fake_y, step.fake.z)
    apa = active(part("augmentation", "apa", p=p))
    return apa.component.real_batch(step, apa.state)


@pytest.mark.parametrize("rows", [(False, False), (True, True), (True, False), (False, True)])
def test_a_pseudo_image_has_the_label_it_was_generated_for(rows: tuple[bool, bool]) -> None:
    torch.manual_seed(0)
    y, fake_y = torch.randint(3, (2, 300))
    one_hot = [torch.nn.functional.one_hot(t, 3).float() if row else t
               for t, row in zip((y, fake_y), rows, strict=True)]  # fmt: skip
    batch = shown_as_real(0.4, *one_hot)
    label = batch.y.argmax(1) if batch.y.dim() == 2 else batch.y
    pixel = batch.x[:, 0, 0, 0]
    pseudo = pixel >= 10
    assert 90 < pseudo.sum() < 150
    assert torch.equal(label[pseudo], pixel[pseudo].long() - 10)
    assert torch.equal(label[pseudo], fake_y[pseudo])
    assert torch.equal(label[~pseudo], y[~pseudo])
    assert torch.equal(pixel[~pseudo].long(), y[~pseudo])


@pytest.mark.parametrize(("p", "share"), [(0.0, 0), (1.0, 1)])
def test_no_image_is_replaced_at_p_0_and_every_image_at_p_1(p: float, share: int) -> None:
    y = torch.arange(30) % 3
    batch = shown_as_real(p, y, y)
    assert (batch.x[:, 0, 0, 0] >= 10).double().mean() == share


def test_pseudo_images_are_not_the_images_of_the_generated_batch() -> None:
    """They occur only in D updates and have no gradient for G."""
    model, batches, options = build(
        augmentations=[{"type": "apa", "p": 1, "target": None}], generator="mlp"
    )
    seen: list[Any] = []
    forward = model.D.forward

    def spy(x: Tensor, y: Tensor) -> Any:
        seen.append(x)
        return forward(x, y)

    model.D.forward = spy  # type: ignore[method-assign]
    iterate_once(model, batches, Progress(), options)
    real, fake, for_g = seen
    assert not torch.equal(real, fake)
    assert torch.equal(fake, for_g)
    assert not real.requires_grad
    assert for_g.requires_grad


@pytest.mark.parametrize(("heuristic", "r"), [("real", 0.5), ("fake", -1.0), ("both", -0.25)])
def test_r_follows_the_heuristic(heuristic: str, r: float) -> None:
    x = torch.zeros(4, 1, 4, 4)
    step = step_of(real=x, fake=x + 1, logit=lambda x, y: x[:, 0, 0, 0] + 1)
    output = step.real.output._replace(logit=torch.tensor([1.0, 2.0, 3.0, -1.0]))
    step.real = Batch(x, step.real.y, None, output)
    assert part("augmentation", "apa", heuristic=heuristic).overfitting(step).item() == r
