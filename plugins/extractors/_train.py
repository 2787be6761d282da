"""Make the extractor and the judge of a dataset: ``python -m ganlab_plugins.extractors._train``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click
import torch
import yaml

from ganlab import Dataset
from ganlab.data.prepare import prepare
from ganlab.data.prepared import Prepared
from ganlab.errors import DataError, GanlabError
from ganlab.plugins import load_plugins

from ._cnn import SIDE, WIDTH, Cnn1
from ._gates import examine, examine_judge
from ._training import Recipe, as_recorded, default_epochs, member_accuracies, one_thread, train
from ._weights import HEX, find, made_here, weights_sha256, write
from .cnn import ENSEMBLE, JUDGE


def recipes(num_images: int, *, epochs: int | None = None) -> list[Recipe]:
    """Return how the extractor and the judge are trained; the judge three times as long."""
    epochs = epochs or default_epochs(num_images)
    return [Recipe(ENSEMBLE, (0, 1, 2), epochs), Recipe(JUDGE, (101,), 3 * epochs)]


def make(recipe: Recipe, data: Prepared, test: Prepared, folder: Path) -> Path:
    """Train, examine and write one network file; raise `DataError` if it is not good enough."""
    present = find(recipe.name, data.source, folder)
    if present is not None:
        raise DataError(f"{present} is there already, and scores may name it: move it away first")
    started = time.monotonic()
    net = train(data, recipe)
    net.class_names = data.spec.class_names
    sha = weights_sha256(net.state_dict())
    net.id = f"{recipe.name}-{data.source}-{sha[:HEX]}"
    seconds = time.monotonic() - started
    with one_thread():
        card = card_of(net, recipe, data, test, sha=sha)
    return write(net, folder, card | {"training_seconds": round(seconds, 1)})


def card_of(
    net: Cnn1, recipe: Recipe, data: Prepared, test: Prepared, *, sha: str
) -> dict[str, Any]:
    """Return what there is to know of a network, or raise `DataError` if it failed a gate."""
    findings = examine_judge(net, test) if recipe.name == JUDGE else examine(net, data, test)
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


@click.command()
@click.argument("dataset")
@click.option("--size", default=SIDE, show_default=True, help="Size that images are prepared at.")
@click.option(
    "--epochs", type=click.IntRange(1), help="Of the extractor; the judge has 3 x as many."
)
@click.option("-s", "--set", "options", multiple=True, help="An option of the dataset: key=value.")
@click.option("--output", type=click.Path(path_type=Path), help="A folder; by default the cache's.")
def main(
    dataset: str, size: int, epochs: int | None, options: tuple[str, ...], output: Path | None
) -> None:
    """Train the extractor and the judge of DATASET on its train split."""
    try:
        given = {
            key: yaml.safe_load(value) for key, _, value in (o.partition("=") for o in options)
        }
        component = load_plugins().find("dataset", dataset).component
        assert issubclass(component, Dataset)
        chosen = component(image_size=size, **given)
        data = prepare(chosen, split="train")
        test = prepare(chosen, split="test")
        for recipe in recipes(len(data.images), epochs=epochs):
            click.echo(make(recipe, data, test, output or made_here()))
    except (GanlabError, ValueError) as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
