"""Adaptive discriminator augmentation."""

from __future__ import annotations

import math
from typing import Any, Literal, get_args

import torch
from pydantic import Field
from torch import Tensor, nn

from ganlab import Augmentation, DataSpec, Step, hookimpl

from ._adaptive import Adaptive, Strength
from ._geometry import Warp, blit

Blit = Literal["flip", "rotate90", "translate"]
Geometry = Literal["scale", "rotate", "stretch", "shift"]
Color = Literal["brightness", "contrast", "luma-flip", "hue", "saturation"]
GROUPS = {"blit": get_args(Blit), "geometry": get_args(Geometry), "color": get_args(Color)}


class ADA(Adaptive):
    """Augment every image that D sees; each transform is applied with an adaptive probability p.

    p increases while r = E sign(D(x)) > target. The transforms, in order:

    blit: horizontal flip, rotation by multiples of 90 degrees, translation by up to 1/8 of the
    size in whole pixels. geometry: isotropic scaling by 2^N(0, 0.2^2), rotation, anisotropic
    scaling ("stretch"), translation by N(0, 0.125^2) of the size, combined into one resampling.
    color: brightness, contrast, luma flip, hue and saturation; grey images have only the first
    three.

    Gradients flow through the transforms to both networks. In the paper the augmentations do not
    leak into the generated images as long as p stays below about 0.8. The image-space filtering
    and corruptions of appendix B are not implemented: the final pipeline of the paper omits them.
    """

    name = "ada"
    paper = "Karras et al., 2020, arXiv:2006.06676, section 3 and appendix B"
    for_tests = {"p": 0.5, "adapt_every": 1, "images_to_full": 100}

    policy: list[Literal["blit", "geometry", "color"] | Blit | Geometry | Color] = Field(
        default=["blit", "geometry", "color"], min_length=1
    )
    """Groups of transforms, or single transforms. Remove those that can change the class of an
    image, such as ``flip`` for digits."""

    def state(self, spec: DataSpec) -> nn.Module:
        state = Strength(self.p)
        state.warp = Warp(spec.image_size)
        return state

    def augment(self, x: Tensor, step: Step, state: Any) -> Tensor:
        chosen = {part for name in self.policy for part in GROUPS.get(name, (name,))}
        draw = Draw(x, step, state.p)
        if chosen & set(GROUPS["blit"]):
            x = blit(x, **blits(chosen, draw))
        if chosen & set(GROUPS["geometry"]):
            x = state.warp(x, geometry(chosen, draw)[:, :2])
        if chosen & set(GROUPS["color"]):
            x = recolor(x, colors(chosen, draw, channels=x.shape[1]))
        return x


class Draw:
    """Random parameters of the transforms, one for each image of a batch."""

    def __init__(self, x: Tensor, step: Step, p: Tensor) -> None:
        self.n, self.size, self.step, self.p = len(x), x.shape[3], step, p
        self.zero = x.new_zeros(len(x))

    def uniform(self, low: float, high: float) -> Tensor:
        """Return uniform random numbers (N,) in [low, high)."""
        return low + (high - low) * self.step.rand(self.n)

    def normal(self, std: float) -> Tensor:
        """Return normal random numbers (N,) with mean 0."""
        return std * self.step.randn(self.n)

    def acting(self, value: Tensor, neutral: float, p: Tensor | None = None) -> Tensor:
        """Return ``value`` (N,) or (N, 2) with probability p for each image, else ``neutral``."""
        acts = self.step.rand(self.n, *(1,) * (value.dim() - 1)) < (self.p if p is None else p)
        return torch.where(acts, value, neutral)


def blits(chosen: set[str], draw: Draw) -> dict[str, Tensor]:
    """Return random arguments of `blit`."""
    mirror, turns, shift = draw.zero, draw.zero, torch.stack([draw.zero, draw.zero], 1)
    if "flip" in chosen:
        mirror = draw.acting(draw.uniform(0, 2).floor(), 0)
    if "rotate90" in chosen:
        turns = draw.acting(draw.uniform(0, 4).floor(), 0)
    if "translate" in chosen:
        offset = torch.stack([draw.uniform(-0.125, 0.125), draw.uniform(-0.125, 0.125)], 1)
        shift = (draw.acting(offset, 0) * draw.size).round()
    return {"mirror": mirror, "turns": turns, "shift": shift}


def geometry(chosen: set[str], draw: Draw) -> Tensor:
    """Return the matrices (N, 3, 3) that map the augmented image to its source, in pixels."""
    zero, one = draw.zero, draw.zero + 1
    inverse = matrix([[one, zero, zero], [zero, one, zero], [zero, zero, one]])

    def scaled(x: Tensor, y: Tensor) -> Tensor:
        return matrix([[1 / x, zero, zero], [zero, 1 / y, zero], [zero, zero, one]])

    def rotated() -> Tensor:
        # Called before and after the stretch: at least one rotation acts with probability p.
        angle = draw.uniform(-math.pi, math.pi)
        angle = draw.acting(angle, 0, 1 - (1 - draw.p).clamp(0, 1).sqrt())
        cos, sin = angle.cos(), angle.sin()
        return matrix([[cos, sin, zero], [-sin, cos, zero], [zero, zero, one]])

    if "scale" in chosen:
        scale = draw.acting(draw.normal(0.2).exp2(), 1)
        inverse = inverse @ scaled(scale, scale)
    if "rotate" in chosen:
        inverse = inverse @ rotated()
    if "stretch" in chosen:
        stretch = draw.acting(draw.normal(0.2).exp2(), 1)
        inverse = inverse @ scaled(stretch, 1 / stretch)
    if "rotate" in chosen:
        inverse = inverse @ rotated()
    if "shift" in chosen:
        offset = torch.stack([draw.normal(0.125), draw.normal(0.125)], 1)
        x, y = (draw.acting(offset, 0) * draw.size).unbind(1)
        inverse = inverse @ matrix([[one, zero, -x], [zero, one, -y], [zero, zero, one]])
    return inverse


def colors(chosen: set[str], draw: Draw, *, channels: int) -> Tensor:
    """Return matrices (N, 4, 4) that transform homogeneous colours (r, g, b, 1)."""
    zero, one = draw.zero, draw.zero + 1
    unit = torch.eye(4, device=zero.device, dtype=zero.dtype)
    # The projection onto the luma axis of the paper, (1, 1, 1) / sqrt 3.
    luma = torch.full_like(unit, 1 / 3)
    luma[3] = 0
    luma[:, 3] = 0
    result = unit.expand(draw.n, 4, 4)

    def diagonal(c: Tensor) -> Tensor:
        return torch.diag_embed(torch.stack([c, c, c, one], 1))

    if "brightness" in chosen:
        b = draw.acting(draw.normal(0.2), 0)
        column = torch.stack([b, b, b, zero], 1)
        result = (unit + column[:, :, None] * unit[3]) @ result
    if "contrast" in chosen:
        result = diagonal(draw.acting(draw.normal(0.5).exp2(), 1)) @ result
    if "luma-flip" in chosen:
        flipped = draw.acting(draw.uniform(0, 2).floor(), 0)
        result = (unit - 2 * luma * flipped[:, None, None]) @ result
    if channels > 1 and "hue" in chosen:
        result = turned_hue(draw.acting(draw.uniform(-math.pi, math.pi), 0)) @ result
    if channels > 1 and "saturation" in chosen:
        factor = draw.acting(draw.normal(1.0).exp2(), 1)[:, None, None]
        result = (luma + (unit - luma) * factor) @ result
    return result


def turned_hue(angle: Tensor) -> Tensor:
    """Return rotations (N, 4, 4) around the luma axis by ``angle`` (N,), in radians.

    They are computed with Rodrigues' formula.
    """
    zero, one, axis = torch.zeros_like(angle), torch.ones_like(angle), math.sqrt(1 / 3)
    cos, sin = angle.cos(), angle.sin() * axis
    same, third = cos + (1 - cos) / 3, (1 - cos) / 3
    return matrix(
        [
            [same, third - sin, third + sin, zero],
            [third + sin, same, third - sin, zero],
            [third - sin, third + sin, same, zero],
            [zero, zero, zero, one],
        ]
    )


def recolor(x: Tensor, map_: Tensor) -> Tensor:
    """Apply colour transforms (N, 4, 4) to images (N, C, H, W) with C = 3 or 1.

    A grey image is transformed as r = g = b; the result is the mean of the three channels.
    """
    if x.shape[1] == 1:
        row = map_[:, :3].mean(1)
        gain, offset = row[:, :3].sum(1), row[:, 3]
        return x * gain.view(-1, 1, 1, 1) + offset.view(-1, 1, 1, 1)
    mixed = map_[:, :3, :3] @ x.flatten(2) + map_[:, :3, 3:]
    return mixed.view_as(x)


def matrix(rows: list[list[Tensor]]) -> Tensor:
    """Return matrices (N, rows, columns) from entries (N,)."""
    return torch.stack([torch.stack(row, 1) for row in rows], 1)


@hookimpl
def register_augmentations() -> list[type[Augmentation]]:
    return [ADA]
