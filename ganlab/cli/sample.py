"""``ganlab sample``: draw images from a trained run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ganlab.cli import options
from ganlab.cli.app import app_of

if TYPE_CHECKING:
    from torch import Tensor

    from ganlab.sampling import Trained

COLUMNS = 10


@click.command("sample")
@click.argument("run")
@options.epoch
@options.best
@click.option("--class", "class_name", metavar="CLASS", help="Draw this class only.")
@click.option("--n", "count", type=click.IntRange(min=1), help="How many images.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the noise.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="A picture file for one sheet, or a folder for single images in class folders.",
)
@click.option("--weights", type=click.Choice(["auto", "raw", "ema"]), default="auto")
@options.bn
@options.truncation
@options.device
@click.option("--trust-plugins", is_flag=True, help="Execute the plugin files kept in the run.")
@options.runs_dir
@options.plugins_dir
@click.pass_context
def command(
    ctx: click.Context,
    run: str,
    epoch: int | None,
    best: bool,
    class_name: str | None,
    count: int | None,
    seed: int,
    output: Path | None,
    weights: str,
    bn: str,
    truncation: float | None,
    device: str | None,
    trust_plugins: bool,
    runs_dir: Path,
) -> None:
    """Draw images from a run: a class a row, the same ten noises in every row.

    \b
    ganlab sample cgan_mnist                 the newest run of the experiment
    ganlab sample runs/cgan_mnist/3f9a2c-s0 --epoch 9
    ganlab sample cgan_mnist --class 7 --n 100 -o sevens.png
    ganlab sample cgan_mnist --n 1000 -o samples/

    It needs neither the dataset nor a GPU.
    """
    from ganlab.run_directory import find_run

    if best and epoch is not None:
        raise click.UsageError("--epoch and --best name different weights: give one")
    found = find_run(run, runs_dir)  # before torch is imported
    if trust_plugins:
        app_of(ctx).folders.insert(0, found.path / "plugins")
    from ganlab.sampling import load

    trained = load(
        run,
        runs_dir=runs_dir,
        device=device or "auto",
        plugins=app_of(ctx).plugins(),
    )
    labels, z = _inputs(trained, class_name, count, seed)
    which = "best" if best else epoch
    images = trained.sample(
        labels,
        z=z,
        epoch=which,  # type: ignore[arg-type]
        weights=weights,  # type: ignore[arg-type]
        bn=bn,  # type: ignore[arg-type]
        truncation=truncation,
    )
    output = output or Path(f"{trained.run.path.parent.name}-samples.png")
    _write(output, images, labels, trained)
    click.echo(output)


def _inputs(
    trained: Trained, class_name: str | None, count: int | None, seed: int
) -> tuple[Tensor, Tensor]:
    """Return labels (N,) and noise (N, z_dim)."""
    import torch

    from ganlab.training.generate import noise

    classes = torch.arange(trained.spec.num_classes)
    if class_name is not None:
        classes = torch.tensor([trained.class_index(class_name)])
    z_dim = trained.experiment.train.z_dim
    if count is None:
        z = noise(COLUMNS, z_dim, seed).repeat(len(classes), 1)
        return classes.repeat_interleave(COLUMNS), z
    labels = classes.repeat(-(-count // len(classes)))[:count].sort().values
    return labels, noise(count, z_dim, seed)


def folder_name(class_name: str, label: int) -> str:
    """Return a folder's name for a class; one that could lead elsewhere gives way to its number."""
    plain = all(letter.isalnum() or letter in " -_.&,+()" for letter in class_name)
    usable = plain and class_name.strip(". ") and len(class_name.encode()) <= 200
    return class_name if usable else f"class-{label}"


def _write(output: Path, images: Tensor, labels: Tensor, trained: Trained) -> None:
    """Write one sheet to a picture file, or single images to a folder."""
    from PIL import Image

    from ganlab.errors import RunError, UsageError
    from ganlab.pictures import save_picture, sheet

    try:
        if output.suffix:
            if Image.registered_extensions().get(output.suffix.lower()) not in Image.SAVE:
                raise UsageError(f"{output}: '{output.suffix}' is no picture format; write .png")
            output.parent.mkdir(parents=True, exist_ok=True)
            save_picture(sheet(images, COLUMNS), output)
            return
        for i, (image, label) in enumerate(zip(images, labels.tolist(), strict=True)):
            folder = output / folder_name(trained.spec.class_names[label], label)
            folder.mkdir(parents=True, exist_ok=True)
            grey = image.shape[0] == 1
            array = (image[0] if grey else image.permute(1, 2, 0)).numpy()
            Image.fromarray(array).save(folder / f"{i:05d}.png")
    except OSError as error:
        raise RunError(f"cannot write {output}: {error.strerror or error}") from error
