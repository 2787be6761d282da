"""One run as an object: its state, its numbers, its pictures, and new samples from it."""

from __future__ import annotations

import io
import math
import statistics
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from ganlab.errors import RunError
from ganlab.evaluation import score_log
from ganlab.results import html
from ganlab.results.record_list import Records
from ganlab.run_directory import Progress, read_run

if TYPE_CHECKING:
    from torch import Tensor

    from ganlab.run_directory import RunDirectory
    from ganlab.sampling import Epoch, Trained, Weights
    from ganlab.training.generate import Bn


class Run(PathLike[str]):
    """The results of one run.

    Every access reads the run's files, so a run that is still training shows its present state.
    A run is a path: ``Path(run)`` is its folder, and `ganlab.load` accepts it.

    Args:
        path: the run's folder, such as ``runs/cgan_digits/3f9a2c-s0``.
        loader: opens the run to draw from it; `ganlab.load` by default.

    Raises:
        RunError: if the folder is not a run, or its record is damaged.
    """

    def __init__(
        self, path: str | PathLike[str], *, loader: Callable[[Path], Trained] | None = None
    ) -> None:
        self.path = Path(path)
        self._loader = loader
        self._read()

    def __fspath__(self) -> str:
        return str(self.path)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Run) and self.path.absolute() == other.path.absolute()

    def __hash__(self) -> int:
        return hash(self.path.absolute())

    # ---------------------------------------------------------------------------- state

    @property
    def name(self) -> str:
        """``<experiment>/<id>``, such as ``cgan_digits/3f9a2c-s0``."""
        return self._read().name

    @property
    def seed(self) -> int:
        """The training seed."""
        seed: int = self.info["seed"]
        return seed

    @property
    def status(self) -> str:
        """``running``, ``finished``, ``interrupted``, ``failed``, ``diverged`` or ``killed``."""
        return self._read().status

    @property
    def progress(self) -> Progress:
        """Steps, batches, images, epochs and seconds of training so far."""
        return self._read().progress

    @property
    def info(self) -> dict[str, Any]:
        """The content of ``run.json``: see `ganlab.records.TrainedRunRecord`."""
        return self._read().info

    @property
    def config(self) -> dict[str, Any]:
        """The experiment with every default filled in, as plain data.

        Raises `RunError` if the run has none, which is so for images of another system.
        """
        return self._read().config()

    # -------------------------------------------------------------------------- numbers

    @property
    def log(self) -> Records:
        """The means over each log interval, in order of steps.

        Every record has ``step``, ``images``, ``epochs``, ``seconds`` and ``images_per_second``;
        the others are losses, D's mean outputs and whatever the components log.
        """
        return Records(self._read().records())

    @property
    def scores(self) -> Records:
        """The recorded scores: a record for each set of weights, protocol and set of metrics.

        See `ganlab.evaluation.score_log.to_records` for the keys.
        """
        return Records(score_log.to_records(score_log.read(self.path)))

    # ------------------------------------------------------------------------- pictures

    def sheet(self, epoch: int | None = None) -> Image.Image:
        """Return the sheet of samples drawn after so many epochs, or the newest one.

        A row is a class, and all rows have the same noise. Epoch 0 is the untrained generator.
        Raises `RunError` if there is no such sheet.
        """
        return _open(self._sheet_file(epoch))

    def curves(self) -> Image.Image:
        """Return a plot of the losses and of D's mean outputs against the epochs.

        Raises `RunError` if the run has logged nothing yet.
        """
        from ganlab.pictures import curves

        log = self.log
        if not log:
            raise RunError(f"{self.name} has logged nothing yet")
        return curves(log, title=self.name)

    # -------------------------------------------------------------------------- samples

    def load(self) -> Trained:
        """Open the run to draw from it. For many draws, keep what this returns.

        Raises `RunError` or `PluginError` if its weights or its components cannot be loaded.
        """
        if self._loader is not None:
            return self._loader(self.path)
        from ganlab.sampling import load

        return load(self)

    def sample(
        self,
        labels: Any,  # whatever `Trained.sample` accepts
        *,
        seed: int = 0,
        z: Tensor | None = None,
        epoch: Epoch = None,
        weights: Weights = "auto",
        bn: Bn = "running",
        truncation: float | None = None,
    ) -> Tensor:
        """Return new images (N, C, H, W) uint8 in 0..255: see `ganlab.sampling.Trained.sample`.

        The newest weights are read from the disk at each call.
        """
        return self.load().sample(
            labels, seed=seed, z=z, epoch=epoch, weights=weights, bn=bn, truncation=truncation
        )

    # -------------------------------------------------------------------------- display

    def __repr__(self) -> str:
        try:
            directory = self._read()
        except RunError:
            return f"Run({str(self.path)!r}, not readable)"
        return f"Run({', '.join([repr(directory.name), *_summary(directory)])})"

    def _repr_html_(self) -> str:
        directory = self._read()
        parts = [
            html.paragraph(directory.name, strong=True),
            html.paragraph(", ".join(_summary(directory))),
        ]
        if directory.info.get("error"):
            parts.append(html.paragraph(directory.info["error"]))
        if directory.sheets():
            buffer = io.BytesIO()
            self.sheet().save(buffer, format="PNG")
            parts.append(html.inline_png(buffer.getvalue(), alt=f"samples of {directory.name}"))
        last = self.log[-1:]
        if last:
            parts.append(html.table(last.columns, [list(last[0].values())]))
        return f"<div>{''.join(parts)}</div>"

    def _read(self) -> RunDirectory:
        return read_run(self.path)

    def _sheet_file(self, epoch: int | None) -> Path:
        directory = self._read()
        sheets = directory.sheets()
        if not sheets:
            raise RunError(f"{directory.name} has drawn no samples yet")
        if epoch is None:
            return sheets[-1]
        file = directory.samples / f"epoch-{epoch:04d}.png"
        if file not in sheets:
            drawn = (sheet.stem.removeprefix("epoch-") for sheet in sheets)
            epochs = ", ".join(str(int(label)) for label in drawn if label.isdecimal())
            raise RunError(
                f"{directory.name} has no samples of epoch {epoch}; drawn: {epochs or 'none yet'}"
            )
        return file


def _open(file: Path) -> Image.Image:
    try:
        with Image.open(file) as picture:
            picture.load()
            return picture
    except (OSError, SyntaxError) as error:
        raise RunError(f"{file} cannot be read: {error}") from error


def _summary(directory: RunDirectory) -> list[str]:
    """Return the status, the progress and the newest score of a run."""
    at, made_elsewhere = directory.progress, directory.info.get("made_elsewhere")
    if made_elsewhere is not None:
        state = [f"{_count(made_elsewhere['images'], 'image')} of another system"]
    else:
        state = [directory.status, _count(at.epochs, "epoch"), _count(at.images, "image")]
    return [*state, *_newest_score(directory)]


def _newest_score(directory: RunDirectory) -> list[str]:
    """Return the first metric of the newest scored weights, and their epoch if training went on."""
    lines = score_log.read(directory.path)
    if not lines:
        return []
    newest = max(reversed(lines), key=lambda line: line["checkpoint"]["epochs"])
    epochs, metrics = newest["checkpoint"]["epochs"], newest["metrics"]
    name = next(iter(metrics), None)
    if name is None or name not in metrics[name]["values"]:
        return []
    score = f"{name} {statistics.fmean(metrics[name]['values'][name]):.4g}"
    behind = not math.isclose(epochs, directory.progress.epochs)
    return [f"{score} at epoch {epochs:.4g}" if behind else score]


def _count(number: float, unit: str) -> str:
    text = f"{number:,}" if isinstance(number, int) else f"{number:.4g}"
    return f"{text} {unit}{'' if number == 1 else 's'}"
