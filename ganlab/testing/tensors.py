"""Helpers that inspect tensors and modules in checks."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from ganlab.seeds import seeded
from ganlab.testing.harness import CPU
from ganlab.testing.report import Findings

SEED = 20


def tensors_in(value: Any) -> Iterator[Tensor]:
    """Yield the tensors in tuples, lists, dicts and named tuples."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from tensors_in(one)
    elif isinstance(value, tuple | list):
        for one in value:
            yield from tensors_in(one)


def shape(value: Any) -> str:
    """Return a tensor's shape, or the type of any other value, as text for messages."""
    return f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__


def finite(value: Any) -> bool:
    """Return whether all floating-point tensors in ``value`` are finite."""
    return all(torch.isfinite(t).all() for t in tensors_in(value) if t.is_floating_point())


def difference(a: Any, b: Any) -> float:
    """Return the largest absolute difference between two results of the same structure.

    If shapes differ, it is infinite.
    """
    gap = 0.0
    for one, other in zip(tensors_in(a), tensors_in(b), strict=True):
        if one.numel() and one.shape == other.shape:
            gap = max(gap, (one.double() - other.double()).abs().max().item())
        elif one.shape != other.shape:
            return float("inf")
    return gap


def perturbed(module: nn.Module) -> nn.Module:
    """Return a copy with noise added to every parameter, so that none is zero."""
    module = copy.deepcopy(module)
    with seeded(SEED, CPU), torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return module


def check_gradients(
    found: Findings,
    where: str,
    module: nn.Module,
    call: Callable[[nn.Module], Any],
    *inputs: Tensor,
) -> None:
    """Check that every parameter and every input gets a finite gradient that is not zero."""
    module = perturbed(module)
    for tensor in inputs:
        tensor.requires_grad_().grad = None
    with seeded(SEED, CPU):
        out = [t for t in tensors_in(call(module)) if t.requires_grad]
        total = sum((t * torch.randn_like(t)).sum() for t in out)
    if not isinstance(total, Tensor):
        learned = any(p.requires_grad for p in module.parameters()) or bool(inputs)
        found.expect(not learned, where, "an output with a gradient", "nothing")
        return
    total.backward()
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            what = _gradient_problem(parameter.grad)
            found.expect(not what, where, f"a gradient at the parameter '{name}'", what)
    for tensor in inputs:
        what = _gradient_problem(tensor.grad)
        found.expect(not what, where, "a gradient at its input", what)


def _gradient_problem(gradient: Tensor | None) -> str:
    if gradient is None:
        return "nothing"
    if not torch.isfinite(gradient).all():
        return "one that is not finite"
    return "" if gradient.count_nonzero() else "zero"
