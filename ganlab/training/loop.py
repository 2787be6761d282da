"""The training loop."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

from ganlab.config.experiment import Train
from ganlab.config.intervals import Interval
from ganlab.data.batches import Batches
from ganlab.durations import duration
from ganlab.errors import RunError
from ganlab.run_directory import Clock, Progress, RunDirectory
from ganlab.seeds import derive_seed, seed_everything
from ganlab.training.checkpoint import save_checkpoint, save_generator
from ganlab.training.error_attribution import check_gradients
from ganlab.training.iteration import Scalars, iterate
from ganlab.training.model import Model, update_average
from ganlab.training.observers import Observers
from ganlab.training.processes import average_scalars, on_main_process
from ganlab.types import Batch

EPOCH = Interval(1, "epochs")


class Diverged(RunError):
    """A loss became infinite or not a number."""

    def __init__(self, name: str, value: float, step: int) -> None:
        self.name = name
        super().__init__(f"{name} became {value} at step {step}")


@dataclass(frozen=True)
class Budget:
    """The limits of training. Training ends at the first limit that is reached."""

    images: float
    steps: float
    seconds: float

    @classmethod
    def of(cls, options: Train, *, dataset_size: int) -> Budget:
        """Return the budget of the options, with epochs converted to images."""
        epochs = math.inf if options.epochs is None else options.epochs * dataset_size
        return cls(
            images=min(epochs, math.inf if options.images is None else options.images),
            steps=math.inf if options.steps is None else options.steps,
            seconds=math.inf if options.seconds is None else options.seconds,
        )

    def share(self, at: Progress) -> float:
        """Return the fraction of the budget that is used; 1 or more at the end."""
        return max(at.images / self.images, at.steps / self.steps, at.seconds / self.seconds)

    def in_words(self, *, dataset_size: int) -> str:
        """Return the limits as text: ``120,000 images (2 epochs), or 10m 00s``."""
        limits = []
        if math.isfinite(self.images):
            epochs = self.images / dataset_size
            limits.append(f"{self.images:,.0f} images ({epochs:.4g} epochs)")
        if math.isfinite(self.steps):
            limits.append(f"{self.steps:,.0f} steps")
        if math.isfinite(self.seconds):
            limits.append(duration(self.seconds))
        return ", or ".join(limits)


def train(
    run: RunDirectory,
    model: Model,
    batches: Batches,
    options: Train,
    *,
    observers: Observers,
    should_stop: Callable[[], bool],
    clock: Clock | None = None,
    evaluate_every: Interval | None = None,
) -> None:
    """Train from ``run.progress`` until a budget is used up or ``should_stop`` returns True.

    The random numbers of an iteration depend only on the seed and the iteration's index. The
    trajectory therefore does not depend on the intervals of logging, sampling and saving, and a
    resume needs no random state.
    """
    budget = Budget.of(options, dataset_size=batches.size)
    clock = clock or Clock(run.progress.seconds)
    since_log: list[tuple[int, Scalars]] = []
    if run.progress.steps == 0:
        draw_sample(run, model, observers, label=label_of(run.progress, on_epoch=True))

    while budget.share(run.progress) < 1 and not should_stop():
        before = run.progress
        seed_everything(derive_seed(options.seed, "step", before.steps), batches.device)
        reals = [Batch(*batches.batch(before.batches + i)) for i in range(options.d_steps)]
        with observers.compiling():
            scalars = iterate(model, reals, before, options, draw_labels=batches.labels)
        scalars = average_scalars(scalars)
        if before.steps == 0:
            check_gradients(model)
        if model.ema is not None and options.ema is not None:
            decay = options.ema.decay_at(
                step=before.steps, images=before.images, batch_size=options.batch_size
            )
            update_average(model.ema, model.G, decay)

        at = advanced(before, options, dataset_size=batches.size, seconds=clock.seconds())
        run.progress = at
        since_log.append((at.steps, scalars))
        observers.step_end(at.steps, scalars)
        last = budget.share(at) >= 1

        if last or due(options.log_every, before, at):
            collect(run, since_log)
            observers.log()
        if last or due(options.sample_every, before, at):
            draw_sample(run, model, observers, label=label_of(at, on_epoch=due(EPOCH, before, at)))
        if evaluate_every and (last or due(evaluate_every, before, at)):
            with clock.paused():
                observers.evaluate()
        if not last and due(options.checkpoint_every, before, at):
            collect(run, since_log)
            if options.log_every is None:
                observers.log()
            save_checkpoint(run, model)
            observers.checkpoint()

    collect(run, since_log)
    if budget.share(run.progress) >= 1:
        observers.log()
    save_checkpoint(run, model)


def advanced(at: Progress, options: Train, *, dataset_size: int, seconds: float) -> Progress:
    """Return the progress after one more iteration."""
    images = at.images + options.d_steps * options.batch_size
    return Progress(
        steps=at.steps + 1,
        batches=at.batches + options.d_steps,
        images=images,
        epochs=images / dataset_size,
        seconds=seconds,
    )


def due(interval: Interval | None, before: Progress, at: Progress) -> bool:
    """Return True if progress passed a multiple of the interval between ``before`` and ``at``."""
    if interval is None:
        return False
    start, end = (float(getattr(p, interval.unit)) / interval.every for p in (before, at))
    return math.floor(end) > math.floor(start)


def label_of(at: Progress, *, on_epoch: bool) -> str:
    """Return a sortable name by finished epochs: ``epoch-0003``, ``epoch-0003.2500``."""
    return f"epoch-{math.floor(at.epochs):04d}" if on_epoch else f"epoch-{at.epochs:09.4f}"


@on_main_process
def draw_sample(run: RunDirectory, model: Model, observers: Observers, *, label: str) -> None:
    """Save the generator's weights and write a sample sheet of fixed noise and labels."""
    save_generator(run, model, label)
    observers.sample(label)


def collect(run: RunDirectory, since_log: list[tuple[int, Scalars]]) -> None:
    """Copy the scalars of all steps since the last call to the host, in one transfer.

    They are appended to ``run.unlogged``, which checkpoints save, so that the log does not depend
    on when a run was stopped. Raises `Diverged` at the first step with a value that is not finite.
    """
    if not since_log:
        return
    flat = torch.stack([value.double() for _, scalars in since_log for value in scalars.values()])
    numbers = iter(flat.tolist())
    for step, scalars in since_log:
        record = {"step": step} | {name: next(numbers) for name in scalars}
        broken = [name for name, value in record.items() if not math.isfinite(value)]
        if broken:
            # A single term is more informative than the sum of all.
            name = next((name for name in broken if "/" in name), broken[0])
            raise Diverged(name, record[name], step)
        run.unlogged.append(record)
    since_log.clear()
