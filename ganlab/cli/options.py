"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path

import click

from ganlab.cli.app import app_of


def _add_folders(ctx: click.Context, _: click.Parameter, folders: tuple[Path, ...]) -> None:
    if folders:
        app_of(ctx).folders += folders


plugins_dir = click.option(
    "--plugins-dir",
    type=click.Path(path_type=Path),
    multiple=True,
    is_eager=True,
    expose_value=False,
    callback=_add_folders,
    help="Load the plugin files of this folder too, beside ./plugins. Repeatable.",
)
overrides = click.option(
    "-s",
    "--set",
    "overrides",
    metavar="KEY=VALUE",
    multiple=True,
    help="Override a value: -s train.epochs=2, -s conditioning=cbn. Repeatable.",
)
runs_dir = click.option(
    "--runs-dir",
    type=click.Path(path_type=Path),
    default=Path("runs"),
    show_default=True,
    envvar="GANLAB_RUNS",
    show_envvar=True,
    help="Where the run directories lie.",
)
data_root = click.option(
    "--data-root",
    type=click.Path(path_type=Path),
    envvar="GANLAB_DATA",
    show_envvar=True,
    help="Where datasets lie, or are downloaded to.",
)
device = click.option("--device", metavar="DEVICE", help="auto, cpu, cuda or cuda:<number>.")
json_lines = click.option(
    "--json-lines",
    is_flag=True,
    help="Print events as lines of JSON on stdout while it runs, for programs.",
)

# How images are drawn from a run.
epoch = click.option(
    "--epoch", type=click.IntRange(min=0), help="Finished epochs; default: the newest."
)
best = click.option(
    "--best", is_flag=True, help="The best weights that eval.every found, not the last."
)
bn = click.option("--bn", type=click.Choice(["running", "batch", "standing"]), default="running")
truncation = click.option(
    "--truncation",
    type=click.FloatRange(min=0, min_open=True),
    help="Noise between -T and T alone, or the share T of the way from the average style.",
)
