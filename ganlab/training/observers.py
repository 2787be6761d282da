"""The observers of a run: log, sample sheets, evaluation, events, plugins and callbacks."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, Protocol

from torch import nn

from ganlab import distributed
from ganlab.components import Callback
from ganlab.events import Logged, Progressed, Scored, SheetDrawn, Tell, phase
from ganlab.metrics import MetricInput
from ganlab.pictures import animate, draw_curves, draw_scores, save_picture, sheet
from ganlab.plugins import Plugins
from ganlab.run_directory import Progress, RunDirectory, writing
from ganlab.training.checkpoint import describe_weights, generator_tensors, save_best
from ganlab.training.generate import COLUMNS, Bn, generate_images, sheet_inputs
from ganlab.training.iteration import Scalars
from ganlab.training.model import Model
from ganlab.training.processes import broadcast_buffers, on_main_process, run_on_main_process

Record = dict[str, float]
CURVES_EVERY_SECONDS = 60
PROGRESS_EVERY_SECONDS = 0.25


class TrainingEvaluator(Protocol):
    """Scores a generator in memory during training."""

    ranking: dict[str, Any]
    """The ``metric`` that selects the best weights, and everything that its value depends on."""

    higher_is_better: bool

    about: str
    """Everything that the scores depend on; it must be equal in all processes."""

    def part(
        self, network: nn.Module, seed: int, *, z_dim: int, number: int, of: int
    ) -> MetricInput | None:
        """Return the metric input of part ``number`` of ``of`` of the images of a sampling seed."""

    def __call__(
        self,
        run: RunDirectory,
        look: Callable[[int], list[MetricInput | None]],
        checkpoint: dict[str, Any],
    ) -> dict[str, float]:
        """Return the scores of a generator by name; empty, with a warning, if it cannot be scored.

        ``look`` returns the metric inputs of all parts of the images of a sampling seed.
        """

    def history(self, run: RunDirectory) -> dict[str, list[tuple[float, float]]]:
        """Return the pairs (epochs, score) of each metric, by name."""


class Observers:
    """Reports the events of a run. Observers do not change what is learned."""

    def __init__(
        self,
        run: RunDirectory,
        model: Model,
        *,
        z_dim: int,
        bn: Bn,
        seed: int,
        tell: Tell,
        share: Callable[[Progress], float],
        plugins: Plugins,
        callbacks: Sequence[Callback],
        training_evaluator: TrainingEvaluator | None = None,
    ) -> None:
        self.run = run
        self.model = model
        self.tell = tell
        self.share = share
        self.hook = plugins.manager.hook
        self.callbacks = callbacks
        self.training_evaluator = training_evaluator
        self.z_dim = z_dim
        self.bn = bn
        self.inputs = sheet_inputs(model.spec, z_dim, seed)
        self._logged = run.progress
        self._curves_drawn = time.monotonic()
        self._told = 0.0
        self._compiled = not model.compiled

    @on_main_process
    def run_start(self) -> None:
        self.hook.on_run_start(run=self.run)
        for callback in self.callbacks:
            callback.on_run_start(self.run)

    def compiling(self) -> AbstractContextManager[object]:
        """Report the first iteration of compiled networks, which compiles them, as a phase."""
        if self._compiled:
            return nullcontext()
        self._compiled = True
        return phase(self.tell, "compiling the networks")

    @on_main_process
    def step_end(self, step: int, losses: Scalars) -> None:
        if time.monotonic() - self._told > PROGRESS_EVERY_SECONDS:
            self._told = time.monotonic()
            self.tell(self._progressed())
        self.hook.on_step_end(run=self.run, step=step, losses=losses)
        for callback in self.callbacks:
            callback.on_step_end(self.run, step, losses)

    def log(self) -> None:
        """Write the means over a log interval to the log, and report them."""
        records, self.run.unlogged = self.run.unlogged, []
        if records:
            self._log(records)

    @on_main_process
    def _log(self, records: list[Record]) -> None:
        at, before = self.run.progress, self._logged
        self._logged = at
        names = dict.fromkeys(name for record in records for name in record)
        means: dict[str, Any] = {}
        for name in names:
            values = [record[name] for record in records if name in record]
            means[name] = sum(values) / len(values)
        means |= {
            "step": records[-1]["step"],
            "images": at.images,
            "epochs": at.epochs,
            "seconds": round(at.seconds, 3),
            "images_per_second": round(
                (at.images - before.images) / max(at.seconds - before.seconds, 1e-9), 1
            ),
        }
        self.run.append_log(means)
        self.tell(self._progressed())
        self.tell(Logged(means))
        self.hook.on_log(run=self.run, records=records)
        for callback in self.callbacks:
            callback.on_log(self.run, records)

    @on_main_process
    def sample(self, label: str) -> None:
        """Write a sample sheet of fixed noise and labels."""
        images = generate_images(self.model.drawn_from, *self.inputs, bn=self.bn)
        path = self.run.samples / f"{label}.png"
        self.run.write(path, lambda: save_picture(sheet(images, COLUMNS), path))
        self.tell(SheetDrawn(str(path)))

    def evaluate(self) -> None:
        """Score the sampling weights, and save them if they are the best so far.

        Each process generates a part of the images and extracts its features.
        """
        assert self.training_evaluator is not None
        network = self.model.drawn_from
        broadcast_buffers(network)
        part = partial(
            self.training_evaluator.part,
            network,
            z_dim=self.z_dim,
            number=distributed.rank(),
            of=distributed.world_size(),
        )
        with phase(self.tell, "scoring"):
            run_on_main_process(self._evaluate, part)

    def _evaluate(self, look: Callable[[int], list[MetricInput | None]]) -> None:
        assert self.training_evaluator is not None
        run, model = self.run, self.model
        checkpoint = describe_weights(generator_tensors(model), run.progress)
        scores = self.training_evaluator(run, look, checkpoint)
        if not scores:
            return
        ranking = self.training_evaluator.ranking
        by = ranking | {"score": scores[ranking["metric"]]}
        if self._is_best(by):
            save_best(run, model, by)
        path = run.path / "scores.png"
        with writing(path):
            draw_scores(self.training_evaluator.history(run), path, title=run.name)
        self.tell(Scored(scores))
        self.hook.on_evaluate(run=run, step=run.progress.steps, scores=scores)
        for callback in self.callbacks:
            callback.on_evaluate(run, run.progress.steps, scores)

    def _progressed(self) -> Progressed:
        at = self.run.progress
        return Progressed(at.steps, at.images, at.epochs, at.seconds, self.share(at))

    def _is_best(self, by: dict[str, Any]) -> bool:
        """Return True if no earlier score of the same metric and protocol is at least as good."""
        assert self.training_evaluator is not None
        before = self.run.info.get("best", {}).get("by", {})
        if before | {"score": None} != by | {"score": None}:
            return True
        new, old = by["score"], before["score"]
        return bool(new > old if self.training_evaluator.higher_is_better else new < old)

    @on_main_process
    def checkpoint(self) -> None:
        """Update run.json and, at intervals, the curves."""
        self.run.update()
        if time.monotonic() - self._curves_drawn > CURVES_EVERY_SECONDS:
            self.draw_curves()

    @on_main_process
    def run_end(self, error: BaseException | None) -> None:
        self.hook.on_run_end(run=self.run, error=error)
        for callback in self.callbacks:
            callback.on_run_end(self.run, error)

    @on_main_process
    def draw_curves(self) -> None:
        records = self.run.records()
        if records:
            path = self.run.path / "curves.png"
            with writing(path):
                draw_curves(records, path, title=self.run.name)
        self._curves_drawn = time.monotonic()

    @on_main_process
    def animate(self) -> None:
        path = self.run.path / "samples.gif"
        with writing(path):
            animate(self.run.sheets(), path)
