"""``ganlab bench``: how fast an experiment trains, and what its settings cost."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path

import click

from ganlab.cli import options
from ganlab.cli.early import TrainingCommand
from ganlab.cli.labs import lab_of, telling


def _settings(_: click.Context, __: click.Parameter, texts: tuple[str, ...]) -> list[list[str]]:
    try:
        return [shlex.split(text) for text in texts]
    except ValueError as error:
        raise click.BadParameter(f"{error}: quote a value that has a space") from error


@click.command("bench", cls=TrainingCommand)
@click.argument("experiment", type=click.Path(path_type=Path))
@options.overrides
@click.option(
    "--against",
    metavar="'KEY=VALUE ...'",
    multiple=True,
    callback=_settings,
    help="Measure the experiment with these values too, in turns. Repeatable.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=10.0,
    show_default=True,
    help="How long to measure each setting.",
)
@click.option("--steps", type=click.IntRange(min=1), help="Measure this many steps instead.")
@options.device
@click.option(
    "--data",
    metavar="DATA",
    default="auto",
    help="random, or random:CHANNELSxCLASSES: use random images even if the dataset is available.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with every turn.")
@options.data_root
@options.plugins_dir
@click.pass_context
def command(
    ctx: click.Context,
    experiment: Path,
    overrides: tuple[str, ...],
    against: Sequence[Sequence[str]],
    seconds: float,
    steps: int | None,
    device: str | None,
    data: str,
    as_json: bool,
    data_root: Path | None,
) -> None:
    """Measure how fast an experiment trains, and where the time of a step goes.

    \b
    ganlab bench cgan_mnist
    ganlab bench cgan_mnist --against train.precision=fp32
    ganlab bench cgan_digits --steps 70 \\
        --against 'loss=hinge regularizers=[spectral-norm]' --against train.batch_size=128

    EXPERIMENT is a file, or a name that `ganlab experiments` lists.

    The training loop is that of `ganlab run`, without sheets, checkpoints, scores and callbacks.
    Settings are measured in turns in one process, so that other load on the machine affects all of
    them. Nothing is downloaded and nothing is kept; if the dataset is not available, random images
    are used.
    """
    lab = lab_of(ctx, data_root=data_root, device=device)
    with telling() as tell:
        benchmark = lab.bench(
            experiment,
            overrides,
            against=against,
            seconds=seconds,
            steps=steps,
            data=data,
            tell=tell,
        )
    click.echo(json.dumps(benchmark.as_data(), indent=2) if as_json else str(benchmark))
