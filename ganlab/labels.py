"""Labels as a caller writes them: class names, class indices or rows, one or many."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ganlab.errors import NotInRun, RunError, did_you_mean
from ganlab.types import DataSpec

Labels = str | int | Sequence[str] | Sequence[int] | Sequence[Sequence[float]] | np.ndarray | Tensor
"""One class name or index, N of them, or rows (N, K) of numbers for K classes."""

LISTED = 10
"""An error message lists the names of at most this many classes."""


def parse_labels(labels: Labels, spec: DataSpec) -> Tensor:
    """Return class indices (N,) int64 or rows (N, K) float32, on the CPU.

    An integer is a class index. A string is a class name or, if no class has that name, the digits
    of an index. A single name or index gives N = 1.

    Raises:
        RunError: if there is no label, if a label names no class, if names and numbers are mixed,
            or if rows do not have K finite numbers each.
    """
    if isinstance(labels, np.ndarray | np.generic) and labels.dtype.kind not in "biuf":
        labels = labels.tolist()
    if isinstance(labels, str):
        labels = [labels]
    if isinstance(labels, Sequence):
        names = [label for label in labels if isinstance(label, str)]
        if names and len(names) == len(labels):
            return torch.tensor([class_index(name, spec) for name in names])
        if names:
            raise RunError("labels mix class names and numbers: give one or the other")
    y = _as_tensor(labels, spec)
    if y.numel() == 0:
        raise RunError("there are no labels: give at least one")
    if y.dim() == 1 and not (y.is_floating_point() or y.is_complex() or y.dtype == torch.bool):
        return _checked_indices(y.long(), spec)
    if y.dim() == 2 and not y.is_complex():
        return _checked_rows(y.float(), spec)
    shape, dtype = tuple(y.shape), str(y.dtype).removeprefix("torch.")
    raise RunError(f"{_expected(spec)}, not {dtype} of shape {shape}")


def class_index(name: str, spec: DataSpec) -> int:
    """Return the index of a class given by its name, or by the digits of its index.

    A name takes precedence: if the classes are called "3" and "7", "7" is the second of them.

    Raises:
        NotInRun: if there is no such class.
    """
    if name in spec.class_names:
        return spec.class_names.index(name)
    if name.isdecimal() and int(name) < spec.num_classes:
        return int(name)
    raise NotInRun(f"there is no class '{name}'{did_you_mean(name, spec.class_names)}")


def _as_tensor(labels: object, spec: DataSpec) -> Tensor:
    if isinstance(labels, Tensor):
        return torch.atleast_1d(labels.detach().cpu())
    try:
        return torch.tensor(np.ascontiguousarray(labels))  # at least one dimension too
    except (TypeError, ValueError) as error:
        raise RunError(f"{_expected(spec)}: {error}") from error


def _checked_indices(y: Tensor, spec: DataSpec) -> Tensor:
    wrong = y[(y < 0) | (y >= spec.num_classes)]
    if len(wrong):
        names = list(spec.class_names)
        if len(names) > LISTED:
            names[LISTED - 1 : -1] = ["..."]
        raise NotInRun(
            f"label {int(wrong[0])} is out of range: class indices go from 0 to "
            f"{spec.num_classes - 1} ({', '.join(names)})"
        )
    return y


def _checked_rows(y: Tensor, spec: DataSpec) -> Tensor:
    if y.shape[1] != spec.num_classes:
        raise RunError(
            f"label rows have {y.shape[1]} numbers, and there are {spec.num_classes} classes"
        )
    if not torch.isfinite(y).all():
        raise RunError("label rows have numbers that are not finite")
    return y


def _expected(spec: DataSpec) -> str:
    return f"labels must be class names, class indices or rows of {spec.num_classes} numbers"
