"""How the extractor's networks are trained: the same seeds give the same weights on a machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from ganlab.seeds import derive_seed, seeded
from ganlab.types import Prepared

from ._cnn import Cnn1, Member, to_input

LR = 2e-3
BATCH = 128
SHIFT = 2
"""Pixels that an image is moved by at most, in each direction."""

STEPS = 700
"""About as many steps are made; at least one epoch."""

SD_FLOOR = 0.25
"""Of the median sd: a unit that hardly ever fires would else count for more than all others."""

CHUNK = 500

REPORTS = 10
"""How often a network's training is reported, about."""


@dataclass(frozen=True)
class Recipe:
    """What distinguishes one network file from another of the same dataset."""

    name: str
    seeds: tuple[int, ...]
    epochs: int


def default_epochs(num_images: int) -> int:
    """Return how many epochs make about `STEPS` steps: one for MNIST, 64 for 1,500 digits."""
    return max(1, round(STEPS / _steps_of(num_images)))


def train(data: Prepared, recipe: Recipe, *, say: Callable[[str], None] = lambda _: None) -> Cnn1:
    """Return the trained networks of a recipe, still without an id."""
    members = []
    with one_thread():
        for number, seed in enumerate(recipe.seeds, start=1):
            title = f"network {number} of {len(recipe.seeds)}"
            members.append(
                train_member(data, seed=seed, epochs=recipe.epochs, say=say, title=title)
            )
        for member in members:
            measure_features(member, data.images)
    return Cnn1(members)


def train_member(
    data: Prepared,
    *,
    seed: int,
    epochs: int,
    say: Callable[[str], None] = lambda _: None,
    title: str = "network",
) -> Member:
    """Train one classifier; torch's own generators stay as they were found."""
    generator = torch.Generator().manual_seed(derive_seed(seed, "order and shifts"))
    with seeded(derive_seed(seed, "weights"), torch.device("cpu")):
        member = Member(data.spec.channels, data.spec.num_classes)
    steps = _steps_of(len(data.images))
    optimizer = torch.optim.AdamW(member.parameters(), lr=LR)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LR, total_steps=epochs * steps)
    member.train()
    for epoch in range(epochs):
        if epoch % max(1, epochs // REPORTS) == 0:
            say(f"{title}, epoch {epoch + 1} of {epochs}")
        order = torch.randperm(len(data.images), generator=generator)
        for chosen in order.split(BATCH)[:steps]:
            x = to_input(_shifted(data.images[chosen], generator))  # (N, C, 32, 32)
            loss = functional.cross_entropy(member(x)[1], data.labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return member.eval()


@torch.no_grad()
def measure_features(member: Member, images: Tensor) -> None:
    """Set what a member standardises its features with."""
    features = torch.cat([member(to_input(part))[0] for part in images.split(CHUNK)]).double()
    sd = features.std(0)
    member.mean.copy_(features.mean(0))
    member.sd.copy_(sd.clamp(min=SD_FLOOR * sd.median()))


def extract(net: Cnn1, images: Tensor) -> tuple[Tensor, Tensor]:
    """Return features and logits of any number of images."""
    features, logits = zip(*(net(part) for part in images.split(CHUNK)), strict=True)
    return torch.cat(features), torch.cat(logits)


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread: another number of threads sums in another order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _steps_of(num_images: int) -> int:
    """Return the steps of an epoch; what does not fill a batch waits for the next."""
    return max(1, num_images // BATCH)


def _shifted(images: Tensor, generator: torch.Generator) -> Tensor:
    """Move each image of (N, C, H, W) by up to `SHIFT` pixels; the border repeats."""
    count, _, height, width = images.shape
    offsets = torch.randint(-SHIFT, SHIFT + 1, (2, count, 1), generator=generator)
    rows = (torch.arange(height) + offsets[0]).clamp(0, height - 1)  # (N, H)
    columns = (torch.arange(width) + offsets[1]).clamp(0, width - 1)  # (N, W)
    at = torch.arange(count)[:, None, None]
    return images[at, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def as_recorded(recipe: Recipe, data: Prepared) -> dict[str, object]:
    """Return what a card says of the training."""
    return {
        "seeds": list(recipe.seeds),
        "epochs": recipe.epochs,
        "steps": recipe.epochs * _steps_of(len(data.images)),
        "batch_size": BATCH,
        "optimizer": f"AdamW {LR:g}, OneCycle",
        "loss": "cross-entropy",
        "shift_pixels": SHIFT,
        "sd_floor": f"{SD_FLOOR:g} of the median",
        "split": "train",
    }


def accuracy(logits: Tensor, labels: Tensor) -> float:
    """Return the share of logits (N, K) whose largest is the label's."""
    return (logits.argmax(1) == labels).float().mean().item()


def member_accuracies(net: Cnn1, data: Prepared) -> Sequence[float]:
    """Return the accuracy of each member alone."""
    return [
        accuracy(extract(Cnn1([member]), data.images)[1], data.labels)  # type: ignore[list-item]
        for member in net.members
    ]
