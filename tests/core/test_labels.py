"""Labels as names, indices and rows; what is refused, and in which words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from ganlab.errors import RunError
from ganlab.labels import class_index, parse_labels
from ganlab.types import DataSpec

SPEC = DataSpec(3, 16, 1, ("cat", "dog", "owl"))


@pytest.mark.parametrize(
    "labels",
    [
        [2, 0],
        (2, 0),
        range(2, -1, -2),
        ["owl", "cat"],
        ["2", "0"],
        [np.int64(2), 0],
        np.array([2, 0], np.uint8),
        np.array([0, 2])[::-1],
        np.array(["owl", "cat"]),
        np.array(["owl", "cat"], object),
        torch.tensor([2, 0], dtype=torch.int32),
    ],
    ids=repr,
)
def test_names_and_indices_become_indices(labels: Any) -> None:
    y = parse_labels(labels, SPEC)
    assert (y.dtype, y.tolist()) == (torch.int64, [2, 0])


@pytest.mark.parametrize(
    "label", [1, "dog", "1", np.int32(1), np.str_("dog"), np.array(1), torch.tensor(1)], ids=repr
)
def test_a_single_label_is_a_list_of_one(label: Any) -> None:
    assert parse_labels(label, SPEC).tolist() == [1]


@pytest.mark.parametrize(
    "rows",
    [
        [[0.5, 0.5, 0], [0, 0, 1]],
        np.array([[0.5, 0.5, 0], [0, 0, 1]]),
        torch.tensor([[0.5, 0.5, 0], [0, 0, 1]], requires_grad=True),
    ],
    ids=["lists", "array", "tensor"],
)
def test_rows_stay_rows(rows: Any) -> None:
    y = parse_labels(rows, SPEC)
    assert (y.dtype, y.tolist()) == (torch.float32, [[0.5, 0.5, 0], [0, 0, 1]])
    assert not y.requires_grad


def test_a_name_takes_precedence_over_an_index() -> None:
    spec = DataSpec(2, 16, 1, ("1", "0"))
    assert parse_labels(["1", "0"], spec).tolist() == [0, 1]
    assert parse_labels([1, 0], spec).tolist() == [1, 0]
    assert class_index("1", spec) == 0


EXPECTED = "labels must be class names, class indices or rows of 3 numbers"
RANGE = "is out of range: class indices go from 0 to 2 (cat, dog, owl)"


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([], "there are no labels: give at least one"),
        (torch.zeros(0, 3), "there are no labels: give at least one"),
        (np.array([], int), "there are no labels: give at least one"),
        (3, f"label 3 {RANGE}"),
        ([0, 7, 9], f"label 7 {RANGE}"),
        (torch.tensor([-1]), f"label -1 {RANGE}"),
        ("dgo", "there is no class 'dgo'; did you mean 'dog'?"),
        (["cat", "3"], "there is no class '3'; allowed: cat, dog, owl"),
        ("\u00b2", "there is no class '\u00b2'; allowed: cat, dog, owl"),
        (["cat", 1], "labels mix class names and numbers: give one or the other"),
        (np.array([0, "cat"], object), "labels mix class names and numbers: give one or the other"),
        ([[1.0, 0.0]], "label rows have 2 numbers, and there are 3 classes"),
        ([[1.0, 0.0, float("nan")]], "label rows have numbers that are not finite"),
        (1.0, f"{EXPECTED}, not float64 of shape (1,)"),
        (torch.tensor([0.0, 1.0]), f"{EXPECTED}, not float32 of shape (2,)"),
        ([True, False], f"{EXPECTED}, not bool of shape (2,)"),
        (torch.zeros(2, 1, 3), f"{EXPECTED}, not float32 of shape (2, 1, 3)"),
    ],
    ids=str,
)
def test_what_is_no_label_is_refused(labels: Any, message: str) -> None:
    with pytest.raises(RunError) as raised:
        parse_labels(labels, SPEC)
    assert str(raised.value) == message


@pytest.mark.parametrize("labels", [None, [0, None], [[1, 0, 0], [1, 0]], {0}], ids=str)
def test_what_is_no_array_is_refused_with_the_reason(labels: Any) -> None:
    with pytest.raises(RunError) as raised:
        parse_labels(labels, SPEC)
    assert str(raised.value).startswith(f"{EXPECTED}: ")
    assert isinstance(raised.value.__cause__, TypeError | ValueError)
    assert "\n" not in str(raised.value)


def test_only_the_first_names_and_the_last_of_many_classes_are_listed() -> None:
    spec = DataSpec(100, 16, 1, tuple(f"c{n}" for n in range(100)))
    with pytest.raises(RunError) as raised:
        parse_labels(100, spec)
    assert str(raised.value) == (
        "label 100 is out of range: class indices go from 0 to 99 "
        "(c0, c1, c2, c3, c4, c5, c6, c7, c8, ..., c99)"
    )
