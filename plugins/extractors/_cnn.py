"""A small classifier whose hidden layers serve as image features, and an ensemble of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from ganlab import ExtractorNet
from ganlab.errors import DataError

from ._images import check_images

SIDE = 32
"""Input height and width of the networks. Images of other sizes are resized by adaptive average
pooling."""

WIDTH = 16
"""Number of channels of the first block."""


def to_input(images: Tensor) -> Tensor:
    """Convert uint8 images (N, C, H, W) to float32 (N, C, 32, 32) in [-1, 1]."""
    return functional.adaptive_avg_pool2d(images.float() / 127.5 - 1, SIDE)


class Member(nn.Module):
    """A classifier of five blocks and one hidden layer, with 101k parameters for grey images."""

    mean: Tensor
    sd: Tensor

    def __init__(self, channels: int, num_classes: int, *, width: int = WIDTH) -> None:
        super().__init__()
        widths = (width, width, 2 * width, 2 * width, 4 * width)
        inputs = (channels, *widths)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(before, after, 3, stride, 1, bias=False),
                nn.BatchNorm2d(after),
                nn.ReLU(),
            )
            for before, after, stride in zip(inputs, widths, (2, 1, 2, 1, 2), strict=False)
        )
        self.hidden = nn.Linear(widths[-1] * (SIDE // 8) ** 2, 4 * width)
        self.output = nn.Linear(4 * width, num_classes)
        self.num_features = sum(widths) + 4 * width
        # The statistics that standardise the features; `_training.measure_features` sets them.
        self.register_buffer("mean", torch.zeros(self.num_features))
        self.register_buffer("sd", torch.ones(self.num_features))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return raw features (N, 224) and logits (N, K) of x (N, C, 32, 32).

        The features are the spatial means of the blocks and the hidden layer, not standardised.
        """
        pooled = []
        for block in self.blocks:
            x = block(x)
            pooled.append(x.mean(dim=(2, 3)))
        hidden = torch.relu(self.hidden(x.flatten(1)))
        return torch.cat([*pooled, hidden], dim=1), self.output(hidden)


class Cnn1(ExtractorNet):
    """An ensemble: the concatenated standardised features and the mean logits of its members.

    A single member is unreliable: distances between the same images can differ by a factor of ten
    between two training seeds. With three members and all layers they differ by less than a factor
    of two.
    """

    def __init__(self, members: Sequence[Member]) -> None:
        super().__init__()
        self.id = ""
        self.members = nn.ModuleList(members)
        self.channels = members[0].blocks[0][0].in_channels  # type: ignore[index]
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> Self:
        """Stay in eval mode, even if a module that contains this network is set to train mode."""
        return super().train(False)

    @torch.no_grad()
    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return features (N, 224 M) and logits (N, K), float32, of uint8 images (N, C, H, W).

        M is the number of members. Raises `DataError` if a result is not finite.
        """
        with torch.autocast(images.device.type, enabled=False):
            x = to_input(self._checked(images))
            features, logits = [], []
            for member in self.members:
                raw, scores = member(x)
                features.append((raw - member.mean) / member.sd)
                logits.append(scores)
            joined, mean = torch.cat(features, dim=1), torch.stack(logits).mean(0)
        if not (torch.isfinite(joined).all() and torch.isfinite(mean).all()):
            raise DataError(f"{self.id}: the features of these images are not finite")
        return joined, mean

    def _checked(self, images: Tensor) -> Tensor:
        """Return the images with the network's number of channels.

        A network for grey images accepts three equal channels. Raises `DataError` otherwise.
        """
        check_images(images, self.id)
        channels = images.shape[1]
        if channels == self.channels:
            return images
        if (self.channels, channels) != (1, 3):
            raise DataError(f"{self.id}: images must have {self.channels} channels, not {channels}")
        if not (images == images[:, :1]).all():
            raise DataError(f"{self.id}: images must be grey, but these are in colour")
        return images[:, :1]
