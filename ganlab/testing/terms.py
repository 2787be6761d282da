"""Checks of the terms that a component adds to the objective, and of the rules for terms."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from ganlab.components import BoundComponent, TrainingComponent
from ganlab.options import Component
from ganlab.run_directory import Progress
from ganlab.seeds import seeded
from ganlab.step import Step
from ganlab.testing.harness import CPU, experiment_of, labels_of, make_harness, spec_of, step_of
from ganlab.testing.report import Findings
from ganlab.testing.tensors import SEED, finite, shape
from ganlab.training.iteration import Scalars, iterate
from ganlab.training.model import ROLES, Model
from ganlab.types import Batch, Role

CASES = ((2, 2, False), (5, 10, False), (5, 10, True))
"""(batch size, number of classes, labels as rows (N, K))."""


def check_terms(found: Findings, subject: TrainingComponent) -> None:
    """Call the methods of a training component in a step of each network."""
    with found.group("terms", "scalars with a gradient, for indices (N,) and rows (N, K)"):
        for n, classes, rows in CASES:
            case = f"{n} images, {classes} classes{', labels (N, K)' if rows else ''}"
            with found.guarded("step", case), seeded(SEED, CPU):
                harness = make_harness(experiment_of(subject), spec_of(classes))
                part = next(p for p in harness.model.components if p.component is subject)
                _check_state(found, part)
                for role in ROLES:
                    step = step_of(
                        harness.model, role, n=n, rows=rows, train=harness.experiment.train
                    )
                    _check_part(found, part, step, case)


def _check_state(found: Findings, part: BoundComponent) -> None:
    state = part.state
    if state is None:
        return
    learned = [name for name, _ in state.named_parameters()]
    found.expect(not learned, "state()", "buffers only", f"the parameter '{', '.join(learned)}'")


def _check_part(found: Findings, part: BoundComponent, step: Step, case: str) -> None:
    subject, role = part.component, step.role
    with found.guarded("adversarial()", case):
        n = len(step.fake.x)
        loss = subject.adversarial(step, lambda: _adversarial_loss(step), part.state)
        fits = isinstance(loss, Tensor) and tuple(loss.shape) == (n,)
        found.expect(fits, "adversarial()", f"shape {(n,)} for {case}", shape(loss))
        found.expect(finite(loss), "adversarial()", f"finite numbers for {case}", "some are not")
    method = "d_terms" if role == "discriminator" else "g_terms"
    where = f"{method}()"
    with found.guarded(where, case):
        terms = getattr(subject, method)(step, part.state)
        if not found.expect(isinstance(terms, dict), where, "a dict", type(terms).__name__):
            return
        for name, value in terms.items():
            at = f"{where}['{name}']"
            scalar = isinstance(value, Tensor) and value.dim() == 0
            if found.expect(scalar, at, f"a scalar for {case}", shape(value)):
                found.expect(finite(value), at, f"a finite number for {case}", f"{value}")
                found.expect(value.requires_grad, at, "a term with a gradient", "a constant")
    with found.guarded("after_step()", case), torch.no_grad():
        subject.after_step(step, part.state)
    if part.state is not None:
        for name, value in part.state.named_buffers():
            found.expect(
                finite(value),
                "after_step()",
                f"a finite buffer '{name}' for {case}",
                "one that is not",
            )


def _adversarial_loss(step: Step) -> Tensor:
    if step.role == "discriminator":
        return step.loss.d(step.real.output.logit, step.fake.output.logit)
    real = step.real.output.logit if step.loss.real_in_g else None
    return step.loss.g(step.fake.output.logit, real)


def check_rules(found: Findings, subject: Component) -> None:
    """Run an iteration with tensors without values, which fails where a value is read."""
    from torch._subclasses.fake_tensor import (
        DataDependentOutputException,
        DynamicOutputShapeException,
    )

    with found.group("rules", "no .item(), no branch on a value, no shape that depends on one"):
        harness = make_harness(experiment_of(subject))
        try:
            _iterate_without_values(harness.model, harness.experiment.train)
        except (DataDependentOutputException, DynamicOutputShapeException) as error:
            got = found.describe_error(error)
            line = f"it{got[got.rindex(' (line') :]}" if " (line" in got else f"it ({error})"
            found.fail("step", f"expected that no tensor's value is read in a step, got {line}")


def _iterate_without_values(model: Model, options: Any) -> Scalars:
    from torch._subclasses.fake_tensor import FakeCopyMode, FakeTensorMode

    mode = FakeTensorMode()
    networks: dict[Role, nn.Module]
    with FakeCopyMode(mode):
        networks = copy.deepcopy(model.networks)
        states = [copy.deepcopy(part.state) for part in model.components]
    parts = zip(model.components, states, strict=True)
    model = replace(
        model, networks=networks, components=tuple(replace(p, state=s) for p, s in parts)
    )
    with mode:
        model.optimizers = {  # Adam reads its step on the host
            role: torch.optim.SGD(network.parameters()) for role, network in networks.items()
        }
        spec = model.spec
        x = torch.randn(4, spec.channels, spec.image_size, spec.image_size)
        labels = labels_of(4, spec.num_classes)
        return iterate(model, [Batch(x, labels)], Progress(), options, draw_labels=lambda n: labels)
