"""Differentiable augmentation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from ganlab import Augmentation, Step, hookimpl


class DiffAugment(Augmentation):
    """Augment real and generated images with differentiable random transforms.

    D sees T(x) and T(G(z)), and G's gradient flows through T. The parameters are drawn for each
    image. color: brightness + U(-0.5, 0.5), saturation * U(0, 2), contrast * U(0.5, 1.5).
    translation: by up to 1/8 of the size, in whole pixels, with zero padding. cutout: a square of
    half the size is set to zero, which is grey.
    """

    name = "diffaugment"
    paper = "Zhao et al., 2020, arXiv:2006.10738, equations 4 to 6"

    policy: list[Literal["color", "translation", "cutout"]] = Field(
        default=["color", "translation", "cutout"], min_length=1
    )
    """Transforms to apply, in this order."""

    p: float = Field(default=1.0, ge=0, le=1)
    """Probability that an image is transformed. 1 in the paper."""

    def augment(self, x: Tensor, step: Step, state: nn.Module | None) -> Tensor:
        augmented = x
        for policy in self.policy:
            for transform in POLICIES[policy]:
                augmented = transform(augmented, step)
        if self.p == 1:
            return augmented
        return torch.where(step.rand(len(x), 1, 1, 1) < self.p, augmented, x)


def brightness(x: Tensor, step: Step) -> Tensor:
    return x + step.rand(len(x), 1, 1, 1) - 0.5


def saturation(x: Tensor, step: Step) -> Tensor:
    grey = x.mean(1, keepdim=True)
    return (x - grey) * (2 * step.rand(len(x), 1, 1, 1)) + grey


def contrast(x: Tensor, step: Step) -> Tensor:
    mean = x.mean((1, 2, 3), keepdim=True)
    return (x - mean) * (step.rand(len(x), 1, 1, 1) + 0.5) + mean


def translation(x: Tensor, step: Step, ratio: float = 0.125) -> Tensor:
    x = x.clone()
    for dim in (2, 3):
        size = x.shape[dim]
        maximum = int(size * ratio + 0.5)
        shift = (step.rand(len(x), 1) * (2 * maximum + 1)).floor().long() - maximum
        index = torch.arange(size, device=x.device) - shift  # (N, size): the source of each pixel
        shape = (len(x), 1, size, 1) if dim == 2 else (len(x), 1, 1, size)
        inside = ((index >= 0) & (index < size)).view(shape)
        source = index.clamp(0, size - 1).view(shape).expand_as(x)
        x = x.gather(dim, source) * inside
    return x


def cutout(x: Tensor, step: Step, ratio: float = 0.5) -> Tensor:
    outside = torch.zeros((), dtype=torch.bool, device=x.device)
    for dim in (2, 3):
        size = x.shape[dim]
        length = int(size * ratio + 0.5)
        # The centre may be any pixel, so that part of the square may lie outside the image.
        centre = (step.rand(len(x), 1) * (size + 1 - length % 2)).floor()
        index = torch.arange(size, device=x.device) - (centre - length // 2)
        out = (index < 0) | (index >= length)
        outside = outside | out.view((len(x), 1, size, 1) if dim == 2 else (len(x), 1, 1, size))
    return x * outside


POLICIES: dict[str, tuple[Callable[[Tensor, Step], Tensor], ...]] = {
    "color": (brightness, saturation, contrast),
    "translation": (translation,),
    "cutout": (cutout,),
}


@hookimpl
def register_augmentations() -> list[type[Augmentation]]:
    return [DiffAugment]
