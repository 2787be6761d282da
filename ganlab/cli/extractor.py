"""``ganlab extractor``: what a dataset's images are measured by: list, train, hand over."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ganlab.catalog.names import check_experiment
from ganlab.cli.app import app_of, data_root_option, plugins_dir_option
from ganlab.cli.early import check_component
from ganlab.cli.suggestions import SuggestingGroup
from ganlab.cli.tables import columns

if TYPE_CHECKING:
    from ganlab.components import Dataset
    from ganlab.metrics import Extractor
    from ganlab.plugins import Plugins

OUTPUT = "directory"
"""The option of an extractor that ``--output`` sets."""

extractor_option = click.option(
    "--extractor",
    "name",
    metavar="NAME",
    help="Which extractor; by default the one that can be trained.",
)


@click.group("extractor", cls=SuggestingGroup)
def command() -> None:
    """List, train, export and import the networks that scores are measured with.

    \b
    ganlab extractor train fashion-mnist
    ganlab extractor train experiments/mine.yaml
    ganlab extractor export fashion-mnist fashion.zip     here
    ganlab extractor import fashion.zip                   on another machine

    Scores compare only if they were measured with the same networks.
    """


@command.command("list")
@plugins_dir_option
@click.pass_context
def list_networks(ctx: click.Context) -> None:
    """List the networks that are there.

    Accuracy is that on the test split of their dataset.
    """
    from ganlab.catalog import store

    app = app_of(ctx)
    app.catalog()  # warns of plugins that did not load
    rows = [
        (extractor, dataset, network, accuracy)
        for extractor, found in store.networks(
            app.fingerprint(), lambda: _files(app.plugins())
        ).items()
        for dataset, files in found.items()
        for network, accuracy in _networks(files)
    ]
    if not rows:
        click.echo("there is none; make one: ganlab extractor train DATASET")
        return
    click.echo(columns([("extractor", "dataset", "network", "accuracy"), *rows]))


@command.command("train")
@click.argument("dataset")
@click.option(
    "-s",
    "--set",
    "overrides",
    metavar="KEY=VALUE",
    multiple=True,
    help="An option of the dataset: -s limit=1000. Repeatable.",
)
@click.option("--image-size", type=click.IntRange(min=8), help="Prepare images of this size.")
@extractor_option
@click.option("--output", type=click.Path(path_type=Path), help="A folder for the networks.")
@data_root_option
@plugins_dir_option
@click.pass_context
def train(
    ctx: click.Context,
    dataset: str,
    overrides: tuple[str, ...],
    image_size: int | None,
    name: str | None,
    output: Path | None,
    data_root: Path | None,
) -> None:
    """Make the networks for a dataset.

    DATASET is its name, or the file of an experiment on it.

    \b
    ganlab extractor train cifar10
    ganlab extractor train folder -s path=pictures --image-size 32

    They learn from the train split and are examined on the test split: networks that are not fit
    to measure are not kept. None is ever replaced, because scores name them by their hash.
    """
    _check_names(ctx, dataset, name)
    from ganlab.data.prepare import prepare

    plugins = app_of(ctx).plugins()
    if image_size is not None:
        overrides = (*overrides, f"image_size={image_size}")
    extractor = _chosen(plugins, name, output)
    chosen = _dataset(dataset, plugins, overrides)
    data = prepare(chosen, root=data_root)
    test = prepare(chosen, root=data_root, split="test")
    for file in extractor.train(data, test, say=lambda text: click.echo(text, err=True)):
        click.echo(file)


@command.command("export")
@click.argument("dataset")
@click.argument("file", type=click.Path(path_type=Path))
@extractor_option
@plugins_dir_option
@click.pass_context
def export(ctx: click.Context, dataset: str, file: Path, name: str | None) -> None:
    """Write the networks of a dataset to FILE.zip.

    DATASET is its name, or the file of an experiment on it.
    """
    _check_names(ctx, dataset, name)
    from ganlab.cli.archive import pack
    from ganlab.errors import DataUnavailable

    plugins = app_of(ctx).plugins()
    extractor = _chosen(plugins, name)
    source = _dataset_name(dataset, plugins)
    files = extractor.files(source)
    if not files:
        raise DataUnavailable(
            f"there is no extractor for '{source}' yet; make one: ganlab extractor train {dataset}"
        )
    pack(files, file)
    click.echo(file)


@command.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@extractor_option
@plugins_dir_option
@click.pass_context
def import_networks(ctx: click.Context, file: Path, name: str | None) -> None:
    """Keep the networks in an exported FILE.zip.

    Their hashes are checked. None is ever replaced.
    """
    _check_names(ctx, None, name)
    from tempfile import TemporaryDirectory

    from ganlab.cli.archive import unpack

    extractor = _chosen(app_of(ctx).plugins(), name)
    with TemporaryDirectory(prefix="ganlab-") as folder:
        for kept in extractor.install(unpack(file, Path(folder))):
            click.echo(kept)


def _extractors(plugins: Plugins) -> list[type[Extractor]]:
    from ganlab.metrics import Extractor

    return [plugins.get(Extractor, name) for name in plugins.names(Extractor.kind)]


def _files(plugins: Plugins) -> dict[str, dict[str, list[Path]]]:
    """Return the files of each extractor for each dataset."""
    return {
        extractor.name: {name: extractor().files(name) for name in plugins.names("dataset")}
        for extractor in _extractors(plugins)
    }


def _check_names(ctx: click.Context, dataset: str | None, extractor: str | None) -> None:
    """Refuse unknown names before torch is imported."""
    if extractor is not None:
        check_component(ctx, "extractor", extractor)
    if dataset is not None and _is_file(dataset):
        check_experiment(Path(dataset), (), app_of(ctx).catalog)
    elif dataset is not None:
        check_component(ctx, "dataset", dataset)


def _chosen(plugins: Plugins, name: str | None, output: Path | None = None) -> Extractor:
    """Return the extractor of this name, or the first one that can be trained."""
    from ganlab.errors import UsageMistake
    from ganlab.metrics import Extractor

    if name is None:
        able = [one for one in _extractors(plugins) if one.train is not Extractor.train]
        if not able:
            raise UsageMistake("there is no extractor that can be trained")
        kind = able[0]
    else:
        kind = plugins.get(Extractor, name)
        if kind.train is Extractor.train:
            raise UsageMistake(f"extractor '{name}' cannot be trained: its weights are given")
    if output is None:
        return kind()
    if OUTPUT not in kind.model_fields:
        raise UsageMistake(f"extractor '{kind.name}' has no option '{OUTPUT}' for --output to set")
    return kind(**{OUTPUT: output})


def _is_file(dataset: str) -> bool:
    return dataset.endswith((".yaml", ".yml"))


def _dataset_name(dataset: str, plugins: Plugins) -> str:
    """Return the name of a dataset, whose own options do not matter, or of an experiment's."""
    from ganlab.components import Dataset

    if _is_file(dataset):
        return _dataset(dataset, plugins).name
    return plugins.get(Dataset, dataset).name


def _dataset(dataset: str, plugins: Plugins, overrides: tuple[str, ...] = ()) -> Dataset:
    """Return a dataset by name, or an experiment's, with options of its own put over it."""
    from ganlab.components import Dataset
    from ganlab.config.blocks import Builder
    from ganlab.config.reader import Document
    from ganlab.config.resolve import load_experiment
    from ganlab.config.tree import grow, override
    from ganlab.errors import ConfigError

    if _is_file(dataset):
        experiment = load_experiment(Path(dataset), plugins).experiment
        block = experiment.resolved()[Dataset.kind]
    else:
        block = {"type": plugins.get(Dataset, dataset).name}  # one line for an unknown name
    root = grow(Document({Dataset.kind: block}, lines={}))
    for text in overrides:
        root = override(root, f"{Dataset.kind}.{text}")
    builder = Builder(plugins)
    node = root.child(Dataset.kind)
    built = None if node is None else builder.one(Dataset, node)
    if built is None or builder.problems:
        raise ConfigError(builder.problems, f"the options of {Dataset.kind} '{dataset}'")
    return built.component


def _networks(files: list[Path]) -> list[tuple[str, str]]:
    """Return the name and, from its card, the accuracy of each network among files."""
    cards = {file.stem: file for file in files if file.suffix == ".json"}
    return [(stem, _accuracy(cards.get(stem))) for stem in sorted({file.stem for file in files})]


def _accuracy(card: Path | None) -> str:
    import json

    if card is None:
        return "-"
    try:
        return f"{json.loads(card.read_text())['accuracy']:.2%}"
    except (OSError, ValueError, LookupError, TypeError):
        return "-"
