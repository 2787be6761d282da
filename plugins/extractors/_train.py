"""Train the extractor and the classifier of a dataset. Both must pass their checks to be saved."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from ganlab.errors import DataError
from ganlab.events import Tell, ignore, phase
from ganlab.types import Prepared

from ._cnn import SIDE, WIDTH, Cnn1
from ._gates import examine, examine_classifier
from ._training import (
    Recipe,
    as_recorded,
    default_epochs,
    member_accuracies,
    one_thread,
    steps_per_epoch,
    train,
)
from ._weights import CLASSIFIER, ENSEMBLE, HEX, weights_sha256, write


def recipes(num_images: int) -> list[Recipe]:
    """Return the recipes of the extractor and the classifier, which trains three times longer."""
    epochs = default_epochs(num_images)
    return [Recipe(ENSEMBLE, (0, 1, 2), epochs), Recipe(CLASSIFIER, (101,), 3 * epochs)]


def make_all(data: Prepared, test: Prepared, folder: Path, *, tell: Tell = ignore) -> list[Path]:
    """Train, check and write both networks; return the paths of the files and cards.

    Raises `DataError` and writes nothing if one of them fails a check.
    """
    chosen = recipes(len(data.images))
    epochs = sum(len(recipe.seeds) * recipe.epochs for recipe in chosen)
    total = epochs * steps_per_epoch(len(data.images))
    with phase(tell, "training the extractor", total=total, unit="steps") as training:
        made = [make(recipe, data, test, on_step=training.advance) for recipe in chosen]
    try:
        return [file for net, card in made for file in write(net, folder, card)]
    except OSError as error:
        raise DataError(f"cannot write to {folder}: {error.strerror or error}") from error


def make(
    recipe: Recipe, data: Prepared, test: Prepared, *, on_step: Callable[[], None] = lambda: None
) -> tuple[Cnn1, dict[str, Any]]:
    """Train a network and return it with its card. Raises `DataError` if it fails a check.

    ``on_step`` is called after each training step.
    """
    started = time.monotonic()
    net = train(data, recipe, on_step=on_step)
    net.class_names = data.spec.class_names
    sha = weights_sha256(net.state_dict())
    net.id = f"{recipe.name}-{data.source}-{sha[:HEX]}"
    seconds = time.monotonic() - started
    with one_thread():
        card = card_of(net, recipe, data, test, sha=sha)
    return net, card | {"training_seconds": round(seconds, 1)}


def card_of(
    net: Cnn1, recipe: Recipe, data: Prepared, test: Prepared, *, sha: str
) -> dict[str, Any]:
    """Check a network and return its card. Raises `DataError` if it fails a check."""
    check = examine_classifier if recipe.name == CLASSIFIER else examine
    findings = check(net, data, test)
    if failed := findings.failed():
        raise DataError(f"{net.id} failed its checks and was not saved: {'; '.join(failed)}")
    return {
        "id": net.id,
        "sha256": sha,
        "network": {"members": len(net.members), "width": WIDTH, "side": SIDE},
        "recipe": as_recorded(recipe, data),
        "dataset": {
            "name": data.source,
            "image_size": data.spec.image_size,
            "channels": data.spec.channels,
            "class_names": list(data.spec.class_names),
            "train": {"images": len(data.images), "sha256": data.sha256},
            "test": {"images": len(test.images), "sha256": test.sha256},
        },
        **findings.recorded(),
        "member_accuracies": member_accuracies(net, test),
        "torch": torch.__version__,
        "threads": 1,
    }
