"""Checks of training: two steps with each component of the other kinds, and resuming."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from pydantic import ValidationError

from ganlab.errors import ConfigError
from ganlab.options import Component
from ganlab.plugins import Plugins
from ganlab.seeds import seeded
from ganlab.testing.harness import CPU, Harness, experiment_of, make_harness, resumed
from ganlab.testing.report import Findings
from ganlab.testing.small import small

PARTNERS = (
    "generator",
    "discriminator",
    "conditioning",
    "loss",
    "regularizer",
    "augmentation",
)
"""The kinds of components that are trained together."""

PRECISIONS = ("fp32", "bf16")
STEPS = 2


def check_training(found: Findings, subject: Component, plugins: Plugins) -> None:
    """Train with the kit's components, then with each loaded component of the other kinds."""
    with found.group("training"):
        tried, alone = 0, 0
        for precision in PRECISIONS:
            with found.guarded("training", f"{STEPS} steps in {precision}"):
                wrong = _train(subject, precision=precision)
                found.expect(not wrong, "training", f"finite numbers in {precision}", wrong)
        if found.groups[-1].failures:
            return
        for kind in PARTNERS:
            if kind == subject.kind:
                continue
            partners = list(_partners(plugins, kind))
            refused = []
            for partner in partners:
                where = f"beside {kind} '{partner.name}'"
                outcome = _train_with_partner(found, subject, partner, where)
                tried += outcome == "trained"
                alone += outcome == "its own fault"
                refused += [partner.name] if outcome == "refused" else []
            if partners and len(refused) == len(partners):
                found.fail("training", f"expected a {kind} that it works with, got refusals by all")
        skipped = f"; {alone} partners fail without it" if alone else ""
        found.groups[-1].note = f"{STEPS} steps in fp32 and bf16 beside {tried} partners{skipped}"


def _partners(plugins: Plugins, kind: str) -> Iterator[Component]:
    for owner in plugins.registered(kind):
        try:
            yield small(owner.component)
        except ValidationError:  # an option without a default: there is no value to try
            continue


def _train_with_partner(found: Findings, subject: Component, partner: Component, where: str) -> str:
    """Train the two; return ``trained``, ``refused``, ``its own fault`` or ``failed``."""
    if getattr(partner, "replaces_loss", False) and (
        subject.kind == "loss" or getattr(subject, "replaces_loss", False)
    ):
        return "conflict"
    for precision in PRECISIONS:
        try:
            wrong = _train(subject, partner, precision=precision)
        except ConfigError:
            return "refused"
        except Exception as error:
            if _fails_alone(partner, precision):
                return "its own fault"
            what = f"expected {STEPS} steps in {precision}, got {found.describe_error(error)}"
            found.fail(where, what)
            return "failed"
        if wrong and _fails_alone(partner, precision):
            return "its own fault"
        if not found.expect(not wrong, where, f"finite numbers in {precision}", wrong):
            return "failed"
    return "trained"


def _fails_alone(partner: Component, precision: str) -> bool:
    try:
        return bool(_train(partner, precision=precision))
    except Exception:
        return True


def _train(*components: Component, precision: str) -> str:
    """Train, and return a text for the first value that is not finite; empty if there is none."""
    harness = make_harness(experiment_of(*components, precision=precision))
    with seeded(0, CPU):
        for number in range(1, STEPS + 1):
            for name, value in harness.step().items():
                if not torch.isfinite(value):
                    return f"{name} = {value:g} at step {number}"
    where = harness.not_finite()
    return f"some that are not in {where}" if where else ""


def check_resume(found: Findings, subject: Component) -> None:
    """Train three steps twice, and once with a restart after two; expect the same weights."""
    with found.group("resume", "the same seed gives the same weights, with and without a restart"):
        ema: dict[str, Any] = {"ema": {"decay": 0.5}}
        harness = [make_harness(experiment_of(subject, **ema)) for _ in range(2)]
        with seeded(0, CPU):
            whole, again = harness
            for one in harness:
                one.step()
                one.step()
            halted = resumed(whole)
            for one in (whole, again, halted):
                one.step()
        for other, claim in (
            (again, "the same weights from the same seed"),
            (halted, "to go on after a resume as if there had been none"),
        ):
            name = _first_difference(whole, other)
            if not found.expect(not name, "training", claim, f"another {name}"):
                return


def _first_difference(one: Harness, other: Harness) -> str:
    """Return the name of the first tensor that differs; the component's own state comes first."""
    a, b = one.tensors(), other.tensors()
    late = ("discriminator", "generator", "ema")

    def place(name: str) -> int:
        module = name.partition("/")[0]
        return 1 + late.index(module) if module in late else 0

    for name in sorted(a, key=place):
        x, y = a[name], b[name]
        if not ((x == y) | ((x != x) & (y != y))).all():
            return name
    return ""
