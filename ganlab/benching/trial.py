"""One setting of a benchmark, built and trained by the code that trains runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import torch

from ganlab.benching.stopwatch import Stopwatch, Turn
from ganlab.config.experiment import Experiment
from ganlab.config.naming import BUDGETS
from ganlab.errors import GanlabError, RunError
from ganlab.events import ignore
from ganlab.plugins import Plugins
from ganlab.run_directory import Progress, RunDirectory, create_run
from ganlab.training.error_attribution import attributed
from ganlab.training.loop import train
from ganlab.training.model import ROLES
from ganlab.training.observers import Observers
from ganlab.training.precision import configure_torch
from ganlab.training.session import plan
from ganlab.types import Prepared

T = TypeVar("T")


class EndOfTurn(Exception):
    """Leaves the loop between two steps, without writing a checkpoint."""


class Trial:
    """A run without budgets, sheets, checkpoints, scores and callbacks.

    It logs as often as the experiment says. It starts at the step number `period`, at which all
    lazy components act, like a run that is resumed there.
    """

    def __init__(self, experiment: Experiment, data: Prepared, *, folder: Path) -> None:
        """Build the model. The log is written to ``folder``, which the caller removes."""
        nothing = dict.fromkeys((*BUDGETS, "sample_every", "checkpoint_every", "init_from"))
        self.experiment = replace(experiment, callbacks=()).with_train(**nothing)
        plugins = Plugins()  # none: hooks that watch runs may write files
        self.plan = plan(
            self.experiment, text="", data=data, asked=data.source, plugins=plugins, runs=folder
        )
        self.model, self.options = self.plan.model, self.experiment.train
        self.device = self.model.choices.device
        self.run = RunDirectory(self.plan.folder, progress=self.progress_at(self.period))
        create_run(self.run, experiment_text="", config="")
        self._observers = Observers(
            self.run,
            self.model,
            z_dim=self.options.z_dim,
            bn=self.options.sample_bn,
            seed=self.options.seed,
            tell=ignore,
            share=self.plan.budget.share,
            plugins=plugins,
            callbacks=(),
        )
        self._stopwatch = Stopwatch(self.device)
        self._optimizer_steps = 0
        self.has_parts = True
        """False if optimizer steps were not detected; D, G and optimizers count as rest then."""
        self._set_marks()

    @property
    def images_per_step(self) -> int:
        """Number of real images shown to D in an iteration."""
        return self.options.d_steps * self.options.batch_size

    @property
    def intervals(self) -> list[int]:
        """The intervals k > 1 of lazy components, which act only at every k-th update."""
        return sorted({part.component.interval() for part in self.model.components} - {1})

    @property
    def period(self) -> int:
        """The number of iterations after which the pattern of lazy components repeats."""
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
        """Train for ``steps`` steps inside the context manager ``inside``, and return the times."""
        configure_torch(self.model.choices, deterministic=self.options.deterministic)
        start = self.run.progress.steps
        self._optimizer_steps = 0

        def should_stop() -> bool:
            """Start the stopwatch at the first call; the loop calls this before every step."""
            if not self._stopwatch.running:
                around.enter_context(inside or nullcontext())
                self._stopwatch.start()
            self._stopwatch.mark("rest")
            if self.run.progress.steps - start >= steps:
                raise EndOfTurn
            return False

        with _attributed_errors(), ExitStack() as around, suppress(EndOfTurn):
            train(
                self.run,
                self.model,
                self.plan.batches,
                self.options,
                observers=self._observers,
                should_stop=should_stop,
            )
        done = self.run.progress.steps - start
        self.has_parts = self._optimizer_steps == done * (self.options.d_steps + 1)
        return self._stopwatch.stop(done)

    def _set_marks(self) -> None:
        """Add marks around batches and optimizer steps; time before a step is its network's."""
        batches = self.plan.batches
        # Set on the instance, so that the loop needs no change.
        setattr(batches, "batch", self._timed(batches.batch))  # noqa: B010
        for role in ROLES:
            optimizer = self.model.optimizers[role]
            optimizer.register_step_pre_hook(lambda *_, role=role: self._stopwatch.mark(role))
            optimizer.register_step_post_hook(self._after_optimizer_step)

    def _timed(self, function: Callable[..., T]) -> Callable[..., T]:
        def timed(*arguments: Any) -> T:
            self._stopwatch.mark("rest")
            result = function(*arguments)
            self._stopwatch.mark("data")
            return result

        return timed

    def _after_optimizer_step(self, *_: Any) -> None:
        self._stopwatch.mark("optimizer")
        self._optimizer_steps += 1


@contextmanager
def _attributed_errors() -> Iterator[None]:
    """Attribute exceptions to the plugin that raised them, as a run does."""
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
