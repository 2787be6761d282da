"""The time per step by dataset size, image size and batch size; of a board by number of runs.

python benchmarks/scaling.py
python benchmarks/scaling.py --runs            (without boards)
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from _timing import EXPERIMENTS, begin, experiment, parser_of, random_images, report, spread

from ganlab.benching.compare import interleave
from ganlab.benching.stopwatch import Turn
from ganlab.benching.trial import Trial

EVAL = ("eval", "-m", "fid", "--samples", "64", "--seeds", "1")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = parser_of(__doc__, steps=10, turns=5)
    parser.prog = "scaling.py"
    parser.add_argument("--width", type=int, default=32, help="width of both networks")
    parser.add_argument("--images", type=int, nargs="*", default=[1_000, 10_000, 60_000, 500_000])
    parser.add_argument("--sizes", type=int, nargs="*", default=[16, 32, 64, 128])
    parser.add_argument("--batches", type=int, nargs="*", default=[16, 32, 64, 128])
    parser.add_argument("--runs", type=int, nargs="*", default=[10, 100, 1_000])
    given = begin(parser, arguments)
    rows: list[Sequence[str]] = [("what grows", "to", "time", "for one", "of which making batches")]
    with TemporaryDirectory() as folder:
        for name, option, values in (
            ("images in the dataset", "count", given.images),
            ("height and width", "size", given.sizes),
            ("images in a batch", "batch", given.batches),
        ):
            trials = {
                n: trial_of(given, folder=Path(folder) / f"{option}-{n}", **{option: n})
                for n in values
            }
            rows += steps_of(name, trials, given.steps, given.turns, given.warm_up)
    if given.runs:
        rows += boards(given.runs, turns=given.turns)
    title = (
        f"the networks of cgan_digits, width {given.width}; where nothing else is said 10,000 "
        f"random images of 32 x 32, batch 64; {given.turns} turns of {given.steps} steps (middle, "
        "least to most)"
    )
    report(given, title=title, rows=rows)


def trial_of(
    given: object, *, folder: Path, count: int = 10_000, size: int = 32, batch: int = 64
) -> Trial:
    """Build one setting."""
    width, device = (getattr(given, name) for name in ("width", "device"))
    one = experiment(
        EXPERIMENTS / "cgan_digits.yaml",
        f"dataset.image_size={size}",
        f"train.batch_size={batch}",
        f"generator.width={width}",
        f"discriminator.width={width}",
        device=device,
    )
    return Trial(one, random_images(one, count=count), folder=folder)


def steps_of(
    name: str, trials: dict[int, Trial], steps: int, turns: int, warm_up: int
) -> list[tuple[str, ...]]:
    """Return the table rows for one growing quantity."""
    for trial in trials.values():
        trial.turn(warm_up)

    def turn_of(trial: Trial) -> Callable[[int], Turn]:
        return lambda _: trial.turn(steps)

    measured = interleave([turn_of(trial) for trial in trials.values()], turns)
    rows: list[tuple[str, ...]] = []
    for (n, trial), own in zip(trials.items(), measured, strict=True):
        ms = [1000 * turn.seconds / turn.steps for turn in own]
        data = [1000 * turn.parts["data"] / turn.steps for turn in own]
        rows.append(
            (
                name,
                f"{n:,}",
                f"{spread(ms, digits=1)} ms a step",
                f"{sorted(ms)[len(ms) // 2] / trial.images_per_step:.3f} ms",
                f"{spread(data)} ms a step",
            )
        )
    return rows


# -------------------------------------------------------------------------------- boards


def boards(counts: Sequence[int], *, turns: int) -> list[tuple[str, ...]]:
    """Return the table rows for boards of copies of one trained and scored run."""
    rows: list[tuple[str, ...]] = []
    with TemporaryDirectory() as folder:
        call = partial(ganlab, Path(folder))
        small = ["-s", "generator.width=4", "-s", "discriminator.width=4", "-s", "train.steps=2"]
        call("run", str(EXPERIMENTS / "cgan_digits.yaml"), *small)
        call(*EVAL)
        (run,) = (file.parent for file in Path(folder).glob("runs/*/*/run.json"))
        made = 1
        for count in sorted(counts):
            for number in range(made, count):
                copy_run(run, number)
            made = max(made, count)
            call(*EVAL)
            taken = [call(*EVAL) for _ in range(turns)]
            wall, cpu = ([one[which] for one in taken] for which in (0, 1))
            middle = f"{1000 * sorted(wall)[len(wall) // 2] / made:.2f} ms a run"
            cells = (f"{made:,}", f"{spread(wall)} s", middle, f"{spread(cpu)} s of CPU time")
            rows.append(("runs on a board", *cells))
    return rows


def copy_run(run: Path, number: int) -> None:
    """Copy a scored run as another seed or another experiment."""
    identity, seed = f"{number // 5:06d}000000", number % 5
    copy = run.with_name(f"{identity[:6]}-s{seed}")
    shutil.copytree(run, copy, copy_function=os.link)
    info = json.loads((run / "run.json").read_text())
    (copy / "run.json").unlink()
    (copy / "run.json").write_text(json.dumps(info | {"identity": identity, "seed": seed}))


def ganlab(folder: Path, *arguments: str) -> tuple[float, float]:
    """Run a command in a process; return seconds of wall time and of CPU time."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "ganlab", *arguments],
        cwd=folder,
        env=os.environ | {"GANLAB_CACHE": str(folder / "cache")},
        check=True,
        capture_output=True,
    )
    seconds = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


if __name__ == "__main__":
    main()
