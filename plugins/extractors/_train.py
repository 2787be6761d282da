"""Make the extractor and the classifier of a dataset: both are good enough, or none is kept."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from ganlab.errors import DataError
from ganlab.types import Prepared

from ._cnn import SIDE, WIDTH, Cnn1
from ._gates import examine, examine_judge
from ._training import Recipe, as_recorded, default_epochs, member_accuracies, one_thread, train
from ._weights import ENSEMBLE, HEX, JUDGE, weights_sha256, write

TITLES = {ENSEMBLE: "extractor", JUDGE: "classifier"}


def recipes(num_images: int) -> list[Recipe]:
    """Return the recipes of extractor and classifier; the classifier trains three times as long."""
    epochs = default_epochs(num_images)
    return [Recipe(ENSEMBLE, (0, 1, 2), epochs), Recipe(JUDGE, (101,), 3 * epochs)]


def make_all(
    data: Prepared, test: Prepared, folder: Path, *, say: Callable[[str], None]
) -> list[Path]:
    """Train, examine and write both networks; return their files and cards.

    Raises `DataError` if one of them is not good enough: then nothing is written.
    """
    made = [make(recipe, data, test, say=say) for recipe in recipes(len(data.images))]
    try:
        return [file for net, card in made for file in write(net, folder, card)]
    except OSError as error:
        raise DataError(f"cannot write to {folder}: {error.strerror or error}") from error


def make(
    recipe: Recipe, data: Prepared, test: Prepared, *, say: Callable[[str], None]
) -> tuple[Cnn1, dict[str, Any]]:
    """Return a network and its card, or raise `DataError` if it is not good enough."""
    title = TITLES[recipe.name]
    started = time.monotonic()
    net = train(data, recipe, say=lambda text: say(f"{title}: {text}"))
    net.class_names = data.spec.class_names
    sha = weights_sha256(net.state_dict())
    net.id = f"{recipe.name}-{data.source}-{sha[:HEX]}"
    seconds = time.monotonic() - started
    say(f"{title}: examining it")
    with one_thread():
        card = card_of(net, recipe, data, test, sha=sha)
    return net, card | {"training_seconds": round(seconds, 1)}


def card_of(
    net: Cnn1, recipe: Recipe, data: Prepared, test: Prepared, *, sha: str
) -> dict[str, Any]:
    """Return what there is to know of a network, or raise `DataError` if it failed a gate."""
    findings = examine_judge(net, data, test) if recipe.name == JUDGE else examine(net, data, test)
    if failed := findings.failed():
        raise DataError(f"{net.id} is not fit to measure and was not written: {'; '.join(failed)}")
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
