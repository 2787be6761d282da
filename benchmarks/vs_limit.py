"""The time of a training step compared to a lower bound for its arithmetic on this machine.

The lower bound (floor) is the number of operations of an iteration, forward and backward, divided
by the rate of large square matrix products in the same precision and with the same thread count.
The time above it is due to layers that are not matrix products, slower convolutions, and the rest.

    python benchmarks/vs_limit.py
    python benchmarks/vs_limit.py --experiment experiments/cgan_digits.yaml --threads 1
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from _timing import EXPERIMENTS, begin, experiment, parser_of, random_images, report

from ganlab.benching.compare import Budget, measure


def main(arguments: Sequence[str] | None = None) -> None:
    parser = parser_of(__doc__, steps=10)
    parser.prog = "vs_limit.py"
    parser.add_argument("--experiment", type=Path, default=EXPERIMENTS / "cgan_mnist.yaml")
    parser.add_argument("-s", "--set", dest="overrides", action="append", default=[])
    parser.add_argument("--precision", nargs="+", default=["auto", "fp32"])
    given = begin(parser, arguments)
    settings = []
    for precision in given.precision:
        one = experiment(
            given.experiment,
            *given.overrides,
            f"train.precision={precision}",
            device=given.device,
        )
        settings.append((one, random_images(one)))
    budget = Budget(steps=given.steps * given.turns, count=given.turns)
    with TemporaryDirectory() as folder:
        measured = measure(settings, budget, folder=Path(folder))
    head = ("", "img/s", "ms a step", "GFLOP a step", "peak, GFLOP/s", "floor, ms", "times floor")
    rows: list[Sequence[str]] = [head]
    for precision, its in zip(given.precision, measured, strict=True):
        flops = its.flops_per_image * its.images_per_step
        floor_ms = 1000 * flops / its.peak.flops_per_second
        rows.append(
            (
                f"{its.precision}{' (the default here)' if precision == 'auto' else ''}",
                f"{its.images_per_second.median:,.0f}",
                f"{its.step_ms:,.2f}",
                f"{flops / 1e9:,.3f}",
                f"{its.peak.flops_per_second / 1e9:,.1f}",
                f"{floor_ms:,.3f}",
                f"{its.step_ms / floor_ms:,.2f}",
            )
        )
    size, batch = settings[0][0].dataset.image_size, settings[0][0].train.batch_size
    title = (
        f"{settings[0][0].name}, random images of {size} x {size}, batch {batch}, the middle of "
        f"{given.turns} turns of {given.steps} steps"
    )
    report(given, title=title, rows=rows)


if __name__ == "__main__":
    main()
