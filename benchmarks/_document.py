"""A transcription of the training loop of the source document.

It has the document's networks, a DataLoader with one worker that decodes, resizes and scales every
image in every epoch, float32, and three values per step that are read back from the device.
"""

from __future__ import annotations

import math
import os
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from typing import TextIO

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

CLASSES, NOISE, LOG_EVERY = 10, 100, 5
FILL_SECONDS = 0.5
"""Seconds in which the worker fills its queue of two batches; one takes a tenth of that."""


def add_sizes(parser: ArgumentParser, *, batch: int, size: int) -> None:
    """Add the options of batch, image and network size to a parser."""
    parser.add_argument("--batch", type=int, default=batch, help="images in a batch")
    parser.add_argument("--size", type=int, default=size, help="height and width of the images")
    parser.add_argument("--width", type=int, default=64, help="ngf and ndf")


def same_sizes(given: Namespace) -> list[str]:
    """Return the overrides that give an experiment the same sizes."""
    return [
        f"dataset.image_size={given.size}",
        f"train.batch_size={given.batch}",
        f"generator.width={given.width}",
        f"discriminator.width={given.width}",
    ]


class Digits(Dataset[tuple[Tensor, int]]):
    """Transforms each image on access, like `torchvision.datasets.MNIST`."""

    def __init__(self, images: np.ndarray, labels: np.ndarray, *, size: int) -> None:
        self.images, self.labels = images, labels
        self.transform = transforms.Compose(
            [
                transforms.Resize(size),
                transforms.ToTensor(),
                transforms.Normalize((0.5,), (0.5,)),
            ]
        )

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.images[index])), int(self.labels[index])


class Generator(nn.Module):
    """Noise and a one-hot digit (N, 110, 1, 1) to images (N, 1, S, S)."""

    def __init__(self, width: int, size: int) -> None:
        super().__init__()
        doublings = int(math.log2(size)) - 2
        channels = [width * 2**i for i in reversed(range(doublings))]
        layers: list[nn.Module] = []
        for i, (before, after) in enumerate(
            zip([NOISE + CLASSES, *channels], channels, strict=False)
        ):
            stride, padding = (1, 0) if i == 0 else (2, 1)
            layers += [
                nn.ConvTranspose2d(before, after, 4, stride, padding, bias=False),
                nn.BatchNorm2d(after),
                nn.ReLU(True),
            ]
        layers += [nn.ConvTranspose2d(channels[-1], 1, 4, 2, 1, bias=False), nn.Tanh()]
        self.main = nn.Sequential(*layers)

    def forward(self, noise: Tensor, digit: Tensor) -> Tensor:
        images: Tensor = self.main(torch.cat([noise, digit], 1))
        return images


class Discriminator(nn.Module):
    """Images and planes of their digit (N, 11, S, S) to probabilities (N,)."""

    def __init__(self, width: int, size: int) -> None:
        super().__init__()
        halvings = int(math.log2(size)) - 2
        channels = [width * 2**i for i in range(halvings)]
        layers: list[nn.Module] = []
        for i, (before, after) in enumerate(zip([1 + CLASSES, *channels], channels, strict=False)):
            layers.append(nn.Conv2d(before, after, 4, 2, 1, bias=False))
            if i > 0:
                layers.append(nn.BatchNorm2d(after))
            layers.append(nn.LeakyReLU(0.2, inplace=True))
        layers += [nn.Conv2d(channels[-1], 1, 4, 1, 0, bias=False), nn.Sigmoid()]
        self.main = nn.Sequential(*layers)

    def forward(self, images: Tensor, planes: Tensor) -> Tensor:
        probabilities: Tensor = self.main(torch.cat([images, planes], 1)).view(-1)
        return probabilities


def init_weights(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)


class Document:
    """The document's training loop."""

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        *,
        device: torch.device,
        batch: int,
        size: int,
        width: int,
    ) -> None:
        self.device = device
        self.net_g = Generator(width, size).to(self.device).apply(init_weights)
        self.net_d = Discriminator(width, size).to(self.device).apply(init_weights)
        adam = {"lr": 0.0002, "betas": (0.5, 0.999)}
        self.optimizer_g = torch.optim.Adam(self.net_g.parameters(), **adam)  # type: ignore[arg-type]
        self.optimizer_d = torch.optim.Adam(self.net_d.parameters(), **adam)  # type: ignore[arg-type]
        self.criterion = nn.BCELoss()
        self.onehot = torch.eye(CLASSES, device=self.device).view(CLASSES, CLASSES, 1, 1)
        self.fill = self.onehot.repeat(1, 1, size, size)
        self.loader = DataLoader(
            Digits(images, labels, size=size),
            batch_size=batch,
            shuffle=True,
            num_workers=1,
            drop_last=True,
        )
        self.batches = self._endless()
        self.kept: tuple[Tensor, Tensor] | None = None
        self.iteration = 0

    def drain(self) -> None:
        """Discard the batches that the worker made during other measurements."""
        for _ in range(self.loader.num_workers * (self.loader.prefetch_factor or 1)):
            next(self.batches)

    def pause(self) -> None:
        """Wait until the worker's queue is full and it sleeps."""
        time.sleep(FILL_SECONDS)

    def with_loader(self, steps: int) -> None:
        with open(os.devnull, "w") as log:
            for _ in range(steps):
                self.step(*next(self.batches), log)

    def without_loader(self, steps: int) -> None:
        if self.kept is None:
            images, labels = next(self.batches)
            self.kept = images.to(self.device), labels.to(self.device)
        with open(os.devnull, "w") as log:
            for _ in range(steps):
                self.step(*self.kept, log)

    def _endless(self) -> Iterator[tuple[Tensor, Tensor]]:
        while True:
            yield from self.loader

    def step(self, images: Tensor, labels: Tensor, log: TextIO) -> None:
        images, labels = images.to(self.device), labels.to(self.device)
        n = len(images)
        ones, zeros = torch.ones(n, device=self.device), torch.zeros(n, device=self.device)

        self.net_d.zero_grad()
        output = self.net_d(images, self.fill[labels])
        loss_real = self.criterion(output, ones)
        loss_real.backward()
        d_x = output.mean().item()
        noise = torch.randn(n, NOISE, 1, 1, device=self.device)
        digits = torch.randint(CLASSES, (n,), device=self.device)
        fake = self.net_g(noise, self.onehot[digits])
        output = self.net_d(fake.detach(), self.fill[digits])
        loss_fake = self.criterion(output, zeros)
        loss_fake.backward()
        d_g_z1 = output.mean().item()
        loss_d = loss_real + loss_fake
        self.optimizer_d.step()

        self.net_g.zero_grad()
        output = self.net_d(fake, self.fill[digits])
        loss_g = self.criterion(output, ones)
        loss_g.backward()
        d_g_z2 = output.mean().item()
        self.optimizer_g.step()

        self.iteration += 1
        if self.iteration % LOG_EVERY == 0:
            losses = f"Loss_D: {loss_d.item():.4f} Loss_G: {loss_g.item():.4f}"
            print(f"{losses} D(x): {d_x:.4f} D(G(z)): {d_g_z1:.4f} / {d_g_z2:.4f}", file=log)
