"""ganlab's training of the default experiment against the plain loop of the source document.

The document's loop is transcribed as it stands: its networks, a DataLoader with one worker that
decodes, resizes and scales every image each time, float32, three numbers read back a step. Both do
the same work on the same images, by turns in one process; ganlab in the precision that it chooses,
and in float32. Without loading means: the document's loop on one batch that stays on the device,
ganlab without the time in which its batches are made.

    python benchmarks/vs_document.py
    python benchmarks/vs_document.py --data-root ~/data --batch 64 --threads 1
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from _timing import EXPERIMENTS, begin, experiment, parser_of, report, spread
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from ganlab.benching.compare import alternate
from ganlab.benching.data import Offline, offline
from ganlab.benching.stopwatch import synchronize
from ganlab.benching.trial import Trial
from ganlab.config.experiment import Experiment
from ganlab.data.prepare import data_root
from ganlab.data.prepared import Prepared
from ganlab.data.resize import square_array
from ganlab.errors import DataUnavailable
from ganlab.step import DataSpec
from ganlab.training.precision import choose_device

CLASSES, NOISE, LOG_EVERY = 10, 100, 5
PAUSE_SECONDS = 0.3
"""After a turn with the loader: its worker fills up what it holds, which is no matter of the next.
"""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = parser_of(__doc__, steps=10)
    parser.prog = "vs_document.py"
    parser.add_argument("--batch", type=int, default=128, help="images in a batch")
    parser.add_argument("--size", type=int, default=64, help="height and width of the images")
    parser.add_argument("--width", type=int, default=64, help="ngf and ndf")
    parser.add_argument("--images", type=int, default=60_000, help="random images without MNIST")
    parser.add_argument("--data-root", type=Path, help="where MNIST lies")
    given = begin(parser, arguments)
    settings = {
        name: experiment(
            EXPERIMENTS / "cgan_mnist.yaml",
            f"dataset.image_size={given.size}",
            f"train.batch_size={given.batch}",
            f"generator.width={given.width}",
            f"discriminator.width={given.width}",
            f"train.precision={name}",
            device=given.device,
        )
        for name in ("auto", "fp32")
    }
    images, labels, source = find_digits(settings["auto"], given.data_root, count=given.images)
    start = time.perf_counter()
    resized = torch.cat(list(square_array(images, np.arange(len(images)), size=given.size)))
    preparing = time.perf_counter() - start
    spec = DataSpec(CLASSES, given.size, 1, tuple(map(str, range(CLASSES))))
    data = Prepared(resized, torch.from_numpy(labels).long(), spec, "", source)
    document = Document(images, labels, given)
    with TemporaryDirectory() as folder:
        trials = {
            name: Trial(one, data, folder=Path(folder) / name) for name, one in settings.items()
        }
        turns = [
            timed(document.with_loader, given.steps, document.device, before=document.drain),
            timed(document.without_loader, given.steps, document.device),
            *(ganlab_turn(trial, given.steps) for trial in trials.values()),
        ]
        for loop in (document.with_loader, document.without_loader):
            loop(given.warm_up)
        for trial in trials.values():
            trial.turn(given.warm_up)
        loaded, resident, *ours = alternate(turns, given.turns)
    table: list[Sequence[str]] = [
        ("", "img/s", "ms a step", "ratio", "ms without loading", "ratio without loading")
    ]
    its = [(a[0], b[0]) for a, b in zip(loaded, resident, strict=True)]
    rows = {"the document's loop, fp32": its}
    for (name, trial), one in zip(trials.items(), ours, strict=True):
        said = " (its default here)" if name == "auto" else ""
        rows[f"ganlab, {trial.model.choices.precision}{said}"] = one
    for name, times in rows.items():
        columns = []
        for with_data in (0, 1):
            ms = [1000 * both[with_data] for both in times]
            ratios = [a[with_data] / b[with_data] for a, b in zip(its, times, strict=True)]
            columns += [spread(ms, digits=1), "1" if times is its else spread(ratios)]
        speed = given.batch / sorted(both[0] for both in times)[len(times) // 2]
        table.append((name, f"{speed:,.0f}", *columns))
    title = (
        f"{source}, {len(images):,} images at {given.size} x {given.size}, batch {given.batch}, "
        f"width {given.width}, {given.turns} turns of {given.steps} steps (middle, least to most); "
        f"ganlab resizes the images once, before: {preparing:.1f} s"
    )
    report(given, title=title, rows=table)


def ganlab_turn(trial: Trial, steps: int) -> Callable[[int], tuple[float, float]]:
    """Return what measures seconds a step, and those without making batches."""

    def turn(_: int) -> tuple[float, float]:
        found = trial.turn(steps)
        return found.seconds / steps, (found.seconds - found.parts["data"]) / steps

    return turn


def timed(
    loop: Callable[[int], None],
    steps: int,
    device: torch.device,
    *,
    before: Callable[[], None] | None = None,
) -> Callable[[int], tuple[float, float]]:
    """Return what measures seconds a step, as often as `ganlab_turn` does."""

    def turn(_: int) -> tuple[float, float]:
        if before is not None:
            before()
        synchronize(device)
        start = time.perf_counter()
        loop(steps)
        synchronize(device)
        seconds = (time.perf_counter() - start) / steps
        if before is not None:
            time.sleep(PAUSE_SECONDS)
        return seconds, seconds

    return turn


def find_digits(
    one: Experiment, root: Path | None, *, count: int
) -> tuple[np.ndarray, np.ndarray, str]:
    """Return MNIST's train split, or random images of its shape where it is not at ``root``."""
    try:
        with offline():
            found = one.dataset.read(data_root(root), "train")
        return np.asarray(found.images), np.asarray(found.labels), one.dataset.name
    except (DataUnavailable, Offline):
        images = np.random.default_rng(0).integers(256, size=(count, 28, 28), dtype=np.uint8)
        return images, np.arange(count) % CLASSES, "random images"


# ------------------------------------------------------------------------- the document's


class Digits(Dataset[tuple[Tensor, int]]):
    """What `torchvision.datasets.MNIST` does with an image each time that it is asked for it."""

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

    def __init__(self, images: np.ndarray, labels: np.ndarray, given: Any) -> None:
        self.device = choose_device(given.device)
        self.net_g = Generator(given.width, given.size).to(self.device).apply(init_weights)
        self.net_d = Discriminator(given.width, given.size).to(self.device).apply(init_weights)
        adam = {"lr": 0.0002, "betas": (0.5, 0.999)}
        self.optimizer_g = torch.optim.Adam(self.net_g.parameters(), **adam)  # type: ignore[arg-type]
        self.optimizer_d = torch.optim.Adam(self.net_d.parameters(), **adam)  # type: ignore[arg-type]
        self.criterion = nn.BCELoss()
        self.onehot = torch.eye(CLASSES, device=self.device).view(CLASSES, CLASSES, 1, 1)
        self.fill = self.onehot.repeat(1, 1, given.size, given.size)
        self.loader = DataLoader(
            Digits(images, labels, size=given.size),
            batch_size=given.batch,
            shuffle=True,
            num_workers=1,
            drop_last=True,
        )
        self.batches = self._endless()
        self.kept: tuple[Tensor, Tensor] | None = None
        self.iteration = 0

    def drain(self) -> None:
        """Take what the worker has made while others were measured: it would be free else."""
        for _ in range(self.loader.num_workers * (self.loader.prefetch_factor or 1)):
            next(self.batches)

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

    def step(self, images: Tensor, labels: Tensor, log: Any) -> None:
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


if __name__ == "__main__":
    main()
