"""One setting, built as a run is built and trained by the loop that trains runs, in turns."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Self, TypeVar

import torch

from ganlab.benching.stopwatch import Stopwatch, Turn
from ganlab.config.experiment import Experiment
from ganlab.config.naming import BUDGETS
from ganlab.errors import GanlabError, RunError
from ganlab.plugins import Plugins
from ganlab.runs import Progress, Run, create_run
from ganlab.training.error_attribution import attributed
from ganlab.training.loop import train
from ganlab.training.model import ROLES
from ganlab.training.observers import Observers
from ganlab.training.precision import configure_torch
from ganlab.training.session import plan
from ganlab.types import Prepared

T = TypeVar("T")


class TurnOver(Exception):
    """Leaves the loop between two steps, without the checkpoint that a stop would cost."""


class Trial:
    """A run without budget, sheets, checkpoints, scores, callbacks and other observers.

    It logs as often as the experiment says. It starts where everything that acts at every k-th
    update acts, as a run that goes on.
    """

    def __init__(self, experiment: Experiment, data: Prepared, *, folder: Path) -> None:
        """``folder`` is for the log; whoever made it removes it."""
        nothing = dict.fromkeys((*BUDGETS, "sample_every", "checkpoint_every", "init_from"))
        self.experiment = replace(experiment, callbacks=()).with_train(**nothing)
        plugins = Plugins()  # none: those that watch runs may write where they should not now
        self.plan = plan(
            self.experiment, text="", data=data, asked=data.source, plugins=plugins, runs=folder
        )
        self.model, self.options = self.plan.model, self.experiment.train
        self.device = self.model.choices.device
        self.run = Run(self.plan.folder, progress=self.progress_at(self.period))
        create_run(self.run, experiment_text="", config="")
        self._observers = Observers(
            self.run,
            self.model,
            z_dim=self.options.z_dim,
            bn=self.options.sample_bn,
            seed=self.options.seed,
            display=_Silence(),
            plugins=plugins,
            callbacks=(),
        )
        self._watch = Stopwatch(self.device)
        self._moves = 0
        self.sees_parts = True
        """False if the optimizers were not seen to step: D, G and they are in the rest then."""
        self._set_marks()

    @property
    def images_per_step(self) -> int:
        """Real images that an iteration shows to D."""
        return self.options.d_steps * self.options.batch_size

    @property
    def intervals(self) -> list[int]:
        """The different k for which somebody acts at every k-th update only."""
        return sorted({part.component.interval() for part in self.model.components} - {1})

    @property
    def period(self) -> int:
        """After so many iterations everything that acts now and then has acted as often again."""
        return math.lcm(*self.intervals)

    def progress_at(self, step: int) -> Progress:
        """Return the progress before an iteration, counted from 0."""
        return Progress(
            steps=step,
            batches=step * self.options.d_steps,
            images=step * self.images_per_step,
            epochs=step * self.images_per_step / self.plan.batches.size,
        )

    def turn(self, steps: int, *, inside: AbstractContextManager[Any] | None = None) -> Turn:
        """Train for so many steps, with ``inside`` entered around them, and measure it."""
        configure_torch(self.model.choices, deterministic=self.options.deterministic)
        start = self.run.progress.steps
        self._moves = 0

        def should_stop() -> bool:
            """The loop asks before every step: the first time starts the watch."""
            if not self._watch.running:
                around.enter_context(inside or nullcontext())
                self._watch.start()
            self._watch.mark("rest")
            if self.run.progress.steps - start >= steps:
                raise TurnOver
            return False

        with _explained(), ExitStack() as around, suppress(TurnOver):
            train(
                self.run,
                self.model,
                self.plan.batches,
                self.options,
                observers=self._observers,
                should_stop=should_stop,
            )
        done = self.run.progress.steps - start
        self.sees_parts = self._moves == done * (self.options.d_steps + 1)
        return self._watch.stop(done)

    def _set_marks(self) -> None:
        """Mark where batches are made and optimizers step; what comes before a step is its own."""
        batches = self.plan.batches
        # On the instance: the loop calls what it always calls.
        setattr(batches, "batch", self._timed(batches.batch))  # noqa: B010
        for role in ROLES:
            optimizer = self.model.optimizers[role]
            optimizer.register_step_pre_hook(lambda *_, role=role: self._watch.mark(role))
            optimizer.register_step_post_hook(self._moved)

    def _timed(self, function: Callable[..., T]) -> Callable[..., T]:
        def timed(*arguments: Any) -> T:
            self._watch.mark("rest")
            result = function(*arguments)
            self._watch.mark("data")
            return result

        return timed

    def _moved(self, *_: Any) -> None:
        self._watch.mark("optimizer")
        self._moves += 1


@contextmanager
def _explained() -> Iterator[None]:
    """Say of what a plugin raises whose fault it is, as a run does."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise RunError(
            "the GPU's memory is full: make train.batch_size or the networks smaller, or measure "
            "fewer settings at once"
        ) from error
    except GanlabError:
        raise
    except Exception as error:
        plugin_error = attributed(error)
        if plugin_error is None:
            raise
        raise plugin_error from error


class _Silence:
    """A display that shows nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def log(self, record: object) -> None: ...

    def sample(self, path: object) -> None: ...

    def scores(self, scores: object) -> None: ...
