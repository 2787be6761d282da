"""``ganlab extractor``: what a dataset's images are measured by: list, train, hand over."""

from __future__ import annotations

from pathlib import Path

import click

from ganlab.cli import options
from ganlab.cli.app import app_of
from ganlab.cli.early import check_names
from ganlab.cli.labs import lab_of, telling
from ganlab.cli.suggestions import SuggestingGroup
from ganlab.columns import columns

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
    ganlab extractor train my_experiment
    ganlab extractor export fashion-mnist fashion.zip     here
    ganlab extractor import fashion.zip                   on another machine

    Scores compare only if they were measured with the same networks.
    """


@command.command("list")
@options.plugins_dir
@click.pass_context
def list_networks(ctx: click.Context) -> None:
    """List the networks that are there.

    Accuracy is that on the test split of their dataset.
    """
    from ganlab.lab.networks import list_networks as listed

    rows = [
        (one.extractor, one.dataset, one.name, one.accuracy)
        for one in listed(app_of(ctx).networks())
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
@options.data_root
@options.plugins_dir
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

    DATASET is its name, or the name or file of an experiment on it.

    \b
    ganlab extractor train cifar10
    ganlab extractor train folder -s path=pictures --image-size 32

    They learn from the train split and are examined on the test split: networks that are not fit
    to measure are not kept. None is ever replaced, because scores name them by their hash.
    """
    check_names(ctx, dataset=dataset, extractor=name)
    from ganlab.lab.extractors import train_extractor

    with telling() as tell:
        files = train_extractor(
            lab_of(ctx, data_root=data_root),
            dataset,
            overrides,
            image_size=image_size,
            extractor=name,
            output=output,
            tell=tell,
        )
    for file in files:
        click.echo(file)


@command.command("export")
@click.argument("dataset")
@click.argument("file", type=click.Path(path_type=Path))
@extractor_option
@options.plugins_dir
@click.pass_context
def export(ctx: click.Context, dataset: str, file: Path, name: str | None) -> None:
    """Write the networks of a dataset to FILE.zip.

    DATASET is its name, or the file of an experiment on it.
    """
    check_names(ctx, dataset=dataset, extractor=name)
    from ganlab.lab.extractors import export_networks

    export_networks(lab_of(ctx).plugins, dataset, file, extractor=name)
    click.echo(file)


@command.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@extractor_option
@options.plugins_dir
@click.pass_context
def import_networks(ctx: click.Context, file: Path, name: str | None) -> None:
    """Keep the networks in an exported FILE.zip.

    Their hashes are checked. None is ever replaced.
    """
    check_names(ctx, extractor=name)
    from ganlab.lab.extractors import import_networks as imported

    for kept in imported(lab_of(ctx).plugins, file, extractor=name):
        click.echo(kept)
