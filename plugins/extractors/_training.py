"""The training of the extractor's networks. Equal seeds give equal weights on the same machine."""

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
"""Maximum shift of an image in pixels, in each direction."""

STEPS = 700
"""Approximate number of training steps. At least one epoch is trained."""

MIN_SD = 0.25
"""Minimum standard deviation of a feature, relative to the median. Without it, a unit that is
almost always zero would dominate the distances."""

CHUNK = 500


@dataclass(frozen=True)
class Recipe:
    """The name, seeds (one per member) and epochs of a network of a dataset."""

    name: str
    seeds: tuple[int, ...]
    epochs: int


def default_epochs(num_images: int) -> int:
    """Return the number of epochs of about `STEPS` steps: 1 for MNIST, 64 for 1,500 digits."""
    return max(1, round(STEPS / steps_per_epoch(num_images)))


def train(data: Prepared, recipe: Recipe, *, on_step: Callable[[], None] = lambda: None) -> Cnn1:
    """Train the members of a recipe and return the ensemble, whose ``id`` is still empty.

    ``on_step`` is called after each training step.
    """
    with one_thread():
        members = [
            train_member(data, seed=seed, epochs=recipe.epochs, on_step=on_step)
            for seed in recipe.seeds
        ]
        for member in members:
            measure_features(member, data.images)
    return Cnn1(members)


def train_member(
    data: Prepared,
    *,
    seed: int,
    epochs: int,
    on_step: Callable[[], None] = lambda: None,
) -> Member:
    """Train one classifier and return it in eval mode; ``on_step`` is called after each step.

    The state of torch's global random generators does not change.
    """
    generator = torch.Generator().manual_seed(derive_seed(seed, "order and shifts"))
    with seeded(derive_seed(seed, "weights"), torch.device("cpu")):
        member = Member(data.spec.channels, data.spec.num_classes)
    steps = steps_per_epoch(len(data.images))
    optimizer = torch.optim.AdamW(member.parameters(), lr=LR)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LR, total_steps=epochs * steps)
    member.train()
    for _ in range(epochs):
        order = torch.randperm(len(data.images), generator=generator)
        for chosen in order.split(BATCH)[:steps]:
            x = to_input(_shifted(data.images[chosen], generator))  # (N, C, 32, 32)
            loss = functional.cross_entropy(member(x)[1], data.labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            on_step()
    return member.eval()


@torch.no_grad()
def measure_features(member: Member, images: Tensor) -> None:
    """Set the mean and standard deviation that standardise the features of a member."""
    features = torch.cat([member(to_input(part))[0] for part in images.split(CHUNK)]).double()
    sd = features.std(0)
    member.mean.copy_(features.mean(0))
    member.sd.copy_(sd.clamp(min=MIN_SD * sd.median()))


def extract(net: Cnn1, images: Tensor) -> tuple[Tensor, Tensor]:
    """Return the features and logits of images (N, C, H, W), computed in chunks."""
    features, logits = zip(*(net(part) for part in images.split(CHUNK)), strict=True)
    return torch.cat(features), torch.cat(logits)


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread, because the order of summation depends on the number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def steps_per_epoch(num_images: int) -> int:
    """Return the number of steps per epoch. The last incomplete batch is skipped."""
    return max(1, num_images // BATCH)


def _shifted(images: Tensor, generator: torch.Generator) -> Tensor:
    """Shift each image (N, C, H, W) randomly by up to `SHIFT` pixels, with replicate padding."""
    count, _, height, width = images.shape
    offsets = torch.randint(-SHIFT, SHIFT + 1, (2, count, 1), generator=generator)
    rows = (torch.arange(height) + offsets[0]).clamp(0, height - 1)  # (N, H)
    columns = (torch.arange(width) + offsets[1]).clamp(0, width - 1)  # (N, W)
    at = torch.arange(count)[:, None, None]
    return images[at, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def as_recorded(recipe: Recipe, data: Prepared) -> dict[str, object]:
    """Return the description of the training for the card."""
    return {
        "seeds": list(recipe.seeds),
        "epochs": recipe.epochs,
        "steps": recipe.epochs * steps_per_epoch(len(data.images)),
        "batch_size": BATCH,
        "optimizer": f"AdamW {LR:g}, OneCycle",
        "loss": "cross-entropy",
        "shift_pixels": SHIFT,
        "sd_floor": f"{MIN_SD:g} of the median",
        "split": "train",
    }


def accuracy(logits: Tensor, labels: Tensor) -> float:
    """Return the fraction of logits (N, K) whose largest element is that of the label (N,)."""
    return (logits.argmax(1) == labels).float().mean().item()


def member_accuracies(net: Cnn1, data: Prepared) -> Sequence[float]:
    """Return the accuracy of each single member."""
    return [
        accuracy(extract(Cnn1([member]), data.images)[1], data.labels)  # type: ignore[list-item]
        for member in net.members
    ]
