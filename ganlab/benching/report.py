"""What a benchmark measured, as data and as text."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ganlab.benching.compare import Measurement
from ganlab.benching.machine import describe, summary
from ganlab.columns import columns
from ganlab.types import Prepared

PART_NAMES = {"discriminator": "D", "generator": "G"}


@dataclass(frozen=True)
class Benchmark:
    """How fast an experiment trains, with each of its settings."""

    name: str
    """The experiment's."""

    data: Prepared
    heading: str
    """What the settings differ in."""

    labels: Sequence[str]
    """What distinguishes each setting."""

    overrides: Sequence[Sequence[str]]
    measured: Sequence[Measurement]
    warnings: Sequence[str]

    def as_data(self) -> dict[str, Any]:
        """Return everything that was measured, with every turn, as plain data."""
        report = _as_data(self.name, self.data, self.labels, self.measured, self.warnings)
        for setting, overrides in zip(report["settings"], self.overrides, strict=True):
            setting["overrides"] = list(overrides)
        return report

    def __str__(self) -> str:
        lines = [*_text(self.name, self.data, self.heading, self.labels, self.measured)]
        return "\n".join([*lines, *(f"note: {warning}" for warning in self.warnings)])


def warnings_of(measured: Sequence[Measurement]) -> Iterator[str]:
    numbered = dict(enumerate(measured, start=1))
    uneven = [number for number, one in numbered.items() if not one.covers_period]
    blurred = [number for number, one in numbered.items() if not one.has_parts]
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
    measured: Sequence[Measurement],
    warnings: Sequence[str],
) -> dict[str, Any]:
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


def _text(
    name: str, data: Prepared, heading: str, labels: Sequence[str], measured: Sequence[Measurement]
) -> Iterator[str]:
    """Say what was measured on what, a setting a row."""
    spec = data.spec
    yield f"experiment  {name}"
    yield f"machine     {summary(measured[0].device)}"
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


def _head(first: Measurement) -> tuple[str, ...]:
    host = ("host",) if first.device != "cpu" else ()
    parts = [PART_NAMES.get(part, part) for part in first.parts_ms]
    work = ("MFLOP/img", "GFLOP/s", "of peak")
    return ("img/s", "ratio", "ms/step", *parts, *host, "first s", "GB", *work)


def _cells(one: Measurement, *, first: bool) -> tuple[str, ...]:
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
