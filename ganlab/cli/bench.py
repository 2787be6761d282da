"""``ganlab bench``: how fast an experiment trains, and what its settings cost."""

from __future__ import annotations

import json
import math
import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click

from ganlab.cli.app import app_of, data_root_option, plugins_dir_option, set_option
from ganlab.cli.early import TrainingCommand

if TYPE_CHECKING:
    from ganlab.benching.compare import Measured
    from ganlab.benching.data import Random
    from ganlab.components import Dataset
    from ganlab.config.experiment import Experiment
    from ganlab.types import Prepared

AS_WRITTEN = "as written"
PART_NAMES = {"discriminator": "D", "generator": "G"}


def _settings(_: click.Context, __: click.Parameter, texts: tuple[str, ...]) -> list[list[str]]:
    try:
        return [shlex.split(text) for text in texts]
    except ValueError as error:
        raise click.BadParameter(f"{error}: quote a value that has a space") from error


def _random(_: click.Context, __: click.Parameter, text: str) -> Random | None:
    if text == "auto":
        return None
    from ganlab.benching.data import Random

    match = re.fullmatch(r"random(?::([1-9]\d*)x([1-9]\d*))?", text)
    if match is None:
        raise click.BadParameter(f"'{text}' is neither auto, random, nor random:CHANNELSxCLASSES")
    return Random(int(match[1]), int(match[2])) if match[1] else Random()


@click.command("bench", cls=TrainingCommand)
@click.argument("experiment", type=click.Path(path_type=Path))
@set_option
@click.option(
    "--against",
    metavar="'KEY=VALUE ...'",
    multiple=True,
    callback=_settings,
    help="Measure the experiment with these values too, by turns. Repeatable.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=10.0,
    show_default=True,
    help="How long to measure each setting.",
)
@click.option("--steps", type=click.IntRange(min=1), help="Measure so many steps of each instead.")
@click.option("--device", metavar="DEVICE", help="auto, cpu, cuda or cuda:<number>.")
@click.option(
    "--data",
    "random",
    metavar="DATA",
    default="auto",
    callback=_random,
    help="random, or random:CHANNELSxCLASSES: random images, whether or not the dataset is there.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with every turn.")
@data_root_option
@plugins_dir_option
@click.pass_context
def command(
    ctx: click.Context,
    experiment: Path,
    overrides: tuple[str, ...],
    against: Sequence[Sequence[str]],
    seconds: float,
    steps: int | None,
    device: str | None,
    random: Random | None,
    as_json: bool,
    data_root: Path | None,
) -> None:
    """Measure how fast an experiment trains, and where the time of a step goes.

    \b
    ganlab bench experiments/cgan_mnist.yaml
    ganlab bench experiments/cgan_mnist.yaml --against train.precision=fp32
    ganlab bench experiments/cgan_digits.yaml --steps 70 \\
        --against 'loss=hinge regularizers=[spectral-norm]' --against train.batch_size=128

    It trains by the loop of `ganlab run`, without sheets, checkpoints, scores and callbacks, and
    leaves nothing behind. Settings are measured by turns in one process, so that they share
    whatever else the machine does. Nothing is downloaded: without its dataset an experiment is
    measured with random images.
    """
    from ganlab.benching.compare import Amount, measure
    from ganlab.benching.data import find
    from ganlab.config.experiment import as_block
    from ganlab.config.resolve import load_experiment
    from ganlab.training.model import check_networks
    from ganlab.training.precision import choose_device

    plugins = app_of(ctx).plugins()
    plugins.check_local()
    shared = [*overrides, *([f"train.device={device}"] if device else [])]
    experiments = [
        load_experiment(experiment, plugins, [*shared, *own]).experiment for own in ([], *against)
    ]
    for one in experiments:
        choose_device(one.train.device)
        check_networks(one)
    largest = max(one.train.batch_size for one in experiments)
    notes: dict[str, None] = {}
    found: dict[str, Prepared] = {}

    def images(dataset: Dataset) -> Prepared:
        key = str(as_block(dataset))
        if key not in found:
            here = find(dataset, root=data_root, at_least=largest, random=random)
            notes.update(dict.fromkeys([here.note] if here.note else []))
            found[key] = here.prepared
        return found[key]

    settings = [(one, images(one.dataset)) for one in experiments]
    with TemporaryDirectory(prefix="ganlab-bench-") as folder:
        measured = measure(
            settings,
            Amount(seconds, steps),
            folder=Path(folder),
            say=lambda text: click.echo(text, err=True),
        )
    data = settings[0][1]
    heading, labels = _labels(experiments)
    warnings = [*notes, *_warnings(measured)]
    if as_json:
        report = _as_data(experiments[0].name, data, labels, measured, warnings)
        for said, own in zip(report["settings"], ([], *against), strict=True):
            said["overrides"] = [*shared, *own]
        click.echo(json.dumps(report, indent=2))
    else:
        click.echo("\n".join(_text(experiments[0].name, data, heading, labels, measured)))
        for warning in warnings:
            click.echo(f"note: {warning}")


def _labels(experiments: Sequence[Experiment]) -> tuple[str, list[str]]:
    """Return a heading, and what tells each setting from the others, as boards do."""
    from ganlab.evaluation.variants import variants

    heading, labels = variants([one.resolved() for one in experiments])
    if not any(labels):
        return "setting", [AS_WRITTEN] * len(labels)
    return heading, labels


def _warnings(measured: Sequence[Measured]) -> Iterator[str]:
    numbered = dict(enumerate(measured, start=1))
    uneven = [number for number, one in numbered.items() if not one.covers_period]
    blurred = [number for number, one in numbered.items() if not one.sees_parts]
    if uneven:
        periods = ", ".join(str(numbered[number].period) for number in uneven)
        yield (
            f"a turn of {_numbers(uneven)} is no multiple of the {periods} steps after which all "
            "that acts now and then has acted: measure more --steps or --seconds"
        )
    if blurred:
        yield f"{_numbers(blurred)}: D, G and optimizers were not seen apart: they are in rest"


def _numbers(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))


def _as_data(
    name: str,
    data: Prepared,
    labels: Sequence[str],
    measured: Sequence[Measured],
    warnings: Sequence[str],
) -> dict[str, Any]:
    from ganlab.benching.machine import describe

    spec, device = data.spec, measured[0].device
    return {
        "experiment": name,
        "machine": describe(device),
        "dataset": {
            "name": data.source,
            "images": len(data.images),
            "channels": spec.channels,
            "image_size": spec.image_size,
            "classes": spec.num_classes,
        },
        "notes": list(warnings),
        "settings": [
            {"setting": label, **one.as_data()} for label, one in zip(labels, measured, strict=True)
        ],
    }


# ---------------------------------------------------------------------------------- text


def _text(
    name: str, data: Prepared, heading: str, labels: Sequence[str], measured: Sequence[Measured]
) -> Iterator[str]:
    """Say what was measured on what, a setting a row."""
    from ganlab.benching.machine import in_words
    from ganlab.cli.tables import columns

    spec = data.spec
    yield f"experiment  {name}"
    yield f"machine     {in_words(measured[0].device)}"
    yield (
        f"dataset     {data.source}: {len(data.images):,} images, "
        f"{spec.channels} x {spec.image_size} x {spec.image_size}, {spec.num_classes} classes"
    )
    first = measured[0].experiment.identity()
    others = [one.experiment.identity() != first for one in measured]
    rows = [
        (f"{number}{' *' if other else ''}", label, *_cells(one, first=number == 1))
        for number, (label, one, other) in enumerate(
            zip(labels, measured, others, strict=True), start=1
        )
    ]
    yield columns([("", heading, *_head(measured[0])), *rows])
    if any(others):
        yield "* is another run than 1: what it learns may differ"
    turns = len(measured[0].turns)
    steps = ", ".join(_span([turn.steps for turn in one.turns]) for one in measured)
    yield (
        f"{turns} turns of {steps} steps; ms: of the turn in the middle; ratio: of img/s, the "
        "middle of the turns (least to most)"
    )
    yield "D: with G's images for it; first s: the first step, before any turn"
    for peak in {one.peak.precision: one.peak for one in measured}.values():
        yield (
            f"peak {peak.precision}: {short(peak.flops_per_second / 1e9)} GFLOP/s, a product of "
            f"{peak.size} x {peak.size} matrices"
        )


def _head(first: Measured) -> tuple[str, ...]:
    host = ("host",) if first.device != "cpu" else ()
    parts = [PART_NAMES.get(part, part) for part in first.parts_ms]
    work = ("MFLOP/img", "GFLOP/s", "of peak")
    return ("img/s", "ratio", "ms/step", *parts, *host, "first s", "GB", *work)


def _cells(one: Measured, *, first: bool) -> tuple[str, ...]:
    ratio = one.ratio
    spread = f" ({short(min(ratio.turns))} to {short(max(ratio.turns))})"
    host = (short(one.host_ms),) if one.device != "cpu" else ()
    return (
        f"{one.images_per_second.median:,.0f}",
        "1" if first else f"{short(ratio.median)}{spread}",
        short(one.step_ms),
        *("-" if ms is None else short(ms) for ms in one.parts_ms.values()),
        *host,
        short(one.warm_up.first_step_seconds),
        short(one.peak_memory_bytes / 1e9),
        short(one.flops_per_image / 1e6),
        short(one.flops_per_second / 1e9),
        f"{100 * one.share_of_peak:.1f} %",
    )


def short(value: float) -> str:
    """Return a number with three digits that count, and never with an exponent."""
    if not value or not math.isfinite(value):
        return f"{value:g}"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{min(digits, 4)}f}"


def _span(values: Sequence[int]) -> str:
    low, high = min(values), max(values)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
