"""Compare the speed of settings in one process, in alternating turns.

Alternating spreads slow phases of the machine evenly over all settings.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from ganlab.benching.flops import Peak, flops_per_step, measure_peak
from ganlab.benching.memory import allocated_bytes
from ganlab.benching.stopwatch import PARTS, Turn
from ganlab.benching.trial import Trial
from ganlab.config.experiment import Experiment
from ganlab.events import Message, Tell, ignore, phase
from ganlab.training import record
from ganlab.training.precision import choose_device
from ganlab.types import Prepared

T = TypeVar("T")
TURNS = 7
"""Number of turns per setting; odd, so that one turn is the median."""

WARM_STEPS = 3
WARM_SHARE = 0.1
"""The warm-up takes at least this many steps and this fraction of the measured steps or time."""


@dataclass(frozen=True)
class Spread:
    """The values of a quantity in all turns."""

    turns: list[float]

    @property
    def median(self) -> float:
        return statistics.median_low(self.turns)

    def as_data(self) -> dict[str, Any]:
        return {
            "median": self.median,
            "min": min(self.turns),
            "max": max(self.turns),
            "turns": self.turns,
        }


@dataclass(frozen=True)
class WarmUp:
    """The warm-up before the measurement. Its first step may include compilation."""

    steps: int
    seconds: float
    first_step_seconds: float
    steady_seconds: float
    """Mean seconds of the steps after the first."""


@dataclass(frozen=True)
class Measurement:
    """The measured speed of one setting."""

    experiment: Experiment
    device: str
    precision: str
    channels_last: bool
    images_per_step: int
    """Number of real images shown to D in an iteration, the basis of img/s."""

    turns: list[Turn]
    ratio: Spread
    """Images per second relative to the first setting, in each pair of turns."""

    has_parts: bool
    period: int
    """Number of steps after which the pattern of lazy components repeats."""

    warm_up: WarmUp
    peak_memory_bytes: int
    """Peak memory of PyTorch on a GPU, else of the process, without that of earlier settings."""

    flops_per_image: float
    peak: Peak

    @property
    def covers_period(self) -> bool:
        """Whether every turn has whole periods, so that lazy terms have their true share."""
        return all(turn.steps % self.period == 0 for turn in self.turns)

    @property
    def images_per_second(self) -> Spread:
        return Spread([turn.steps * self.images_per_step / turn.seconds for turn in self.turns])

    @property
    def typical(self) -> Turn:
        """The median turn by time per step. Its parts sum to its time."""
        ranked = sorted(self.turns, key=lambda turn: turn.seconds / turn.steps)
        return ranked[len(ranked) // 2]

    @property
    def step_ms(self) -> float:
        return 1000 * self.typical.seconds / self.typical.steps

    @property
    def host_ms(self) -> float:
        """Host time per step; close to `step_ms` if the device waits for the host."""
        return 1000 * self.typical.host_seconds / self.typical.steps

    @property
    def parts_ms(self) -> dict[str, float | None]:
        """Time of each part of a step; None if D, G and optimizers could not be separated."""
        parts = {part: 1000 * self.typical.parts[part] / self.typical.steps for part in PARTS}
        unseen = () if self.has_parts else ("discriminator", "generator", "optimizer")
        rest = sum(parts[part] for part in ("rest", *unseen))
        return {**parts, **dict.fromkeys(unseen), "rest": rest}

    @property
    def flops_per_second(self) -> float:
        return self.flops_per_image * self.images_per_step / self.step_ms * 1000

    @property
    def share_of_peak(self) -> float:
        return self.flops_per_second / self.peak.flops_per_second

    def as_data(self) -> dict[str, Any]:
        """Return everything as plain data."""
        return {
            "identity": self.experiment.identity(),
            "device": self.device,
            "precision": self.precision,
            "channels_last": self.channels_last,
            "batch_size": self.experiment.train.batch_size,
            "images_per_step": self.images_per_step,
            "images_per_second": self.images_per_second.as_data(),
            "ratio": self.ratio.as_data(),
            "step_ms": self.step_ms,
            "host_ms": self.host_ms,
            "parts_ms": self.parts_ms,
            "steps_per_turn": [turn.steps for turn in self.turns],
            "warm_up": asdict(self.warm_up),
            "peak_memory_bytes": self.peak_memory_bytes,
            "flops_per_image": self.flops_per_image,
            "flops_per_second": self.flops_per_second,
            "share_of_peak": self.share_of_peak,
            "peak": asdict(self.peak),
        }


@dataclass(frozen=True)
class Budget:
    """How long each setting is measured: a number of steps, or else seconds."""

    seconds: float = 10.0
    steps: int | None = None
    count: int = TURNS
    """Number of turns; fewer if there are fewer steps."""

    @property
    def turns(self) -> int:
        return self.count if self.steps is None else min(self.count, self.steps)

    def is_warm(self, steps: int, seconds: float) -> bool:
        """Return whether the warm-up has taken `WARM_SHARE` of the budget."""
        if self.steps is not None:
            return steps >= WARM_SHARE * self.steps
        return seconds >= WARM_SHARE * self.seconds

    def turn_steps(self, step_seconds: float, *, period: int) -> list[int]:
        """Return the steps of each turn: whole periods, unless that takes over twice as long."""
        if self.steps is not None:
            return [len(range(turn, self.steps, self.turns)) for turn in range(self.turns)]
        count = max(1, round(self.seconds / self.turns / step_seconds))
        if count * 2 >= period:
            count = -(-count // period) * period
        return [count] * self.turns


def measure(
    settings: Sequence[tuple[Experiment, Prepared]],
    budget: Budget,
    *,
    folder: Path,
    tell: Tell = ignore,
) -> list[Measurement]:
    """Measure the settings in alternating turns: first, second, ..., first again, and so on."""
    trials, warm_ups, memory = [], [], []
    peaks: dict[tuple[Any, str], Peak] = {}
    allocated_first = None
    for number, (experiment, data) in enumerate(settings, start=1):
        tell(Message(f"[{number}/{len(settings)}] building, warming up"))
        device = choose_device(experiment.train.device)
        allocated = allocated_bytes(device)
        allocated_first = allocated if allocated_first is None else allocated_first
        record.forget_peak_memory(device)
        trial = Trial(experiment, data, folder=folder / str(number))
        warm_ups.append(_warm_up(trial, budget))
        memory.append(record.peak_memory_bytes(device) - (allocated - allocated_first))
        trials.append(trial)
        choices = trial.model.choices
        if (choices.device, choices.precision) not in peaks:
            peaks[choices.device, choices.precision] = measure_peak(choices)
    tell(Message(f"measuring {budget.turns} turns of each"))
    steps = [
        budget.turn_steps(warm_up.steady_seconds, period=trial.period)
        for trial, warm_up in zip(trials, warm_ups, strict=True)
    ]
    with phase(tell, "measuring", total=budget.turns * len(trials), unit="turns") as measuring:

        def take(trial: Trial, count: int) -> Turn:
            taken = trial.turn(count)
            measuring.advance()
            return taken

        turns = interleave(
            [
                lambda turn, trial=trial, count=count: take(trial, count[turn])  # type: ignore[misc]
                for trial, count in zip(trials, steps, strict=True)
            ],
            budget.turns,
        )
    tell(Message("counting operations"))
    return [
        Measurement(
            experiment=trial.experiment,
            device=str(trial.device),
            precision=trial.model.choices.precision,
            channels_last=trial.model.choices.channels_last,
            images_per_step=trial.images_per_step,
            turns=own,
            ratio=Spread(
                [
                    _speed(trial, its) / _speed(trials[0], base)
                    for its, base in zip(own, turns[0], strict=True)
                ]
            ),
            has_parts=trial.has_parts,
            period=trial.period,
            warm_up=warm_up,
            peak_memory_bytes=peak_memory,
            flops_per_image=flops_per_step(trial) / trial.images_per_step,
            peak=peaks[trial.device, trial.model.choices.precision],
        )
        for trial, own, warm_up, peak_memory in zip(trials, turns, warm_ups, memory, strict=True)
    ]


def interleave(functions: Sequence[Callable[[int], T]], count: int) -> list[list[T]]:
    """Call the functions in turn, ``count`` times, and return each one's results.

    A function's argument is the number of the turn, from 0.
    """
    results: list[list[T]] = [[] for _ in functions]
    for turn in range(count):
        for one, its in zip(functions, results, strict=True):
            its.append(one(turn))
    return results


def _warm_up(trial: Trial, budget: Budget) -> WarmUp:
    first = trial.turn(1)
    steps, seconds = 0, 0.0
    while steps < WARM_STEPS - 1 or not budget.is_warm(steps, seconds):
        steps += 1
        seconds += trial.turn(1).seconds
    return WarmUp(steps + 1, first.seconds + seconds, first.seconds, seconds / steps)


def _speed(trial: Trial, turn: Turn) -> float:
    return turn.steps * trial.images_per_step / turn.seconds
