"""Every shipped part, and every option of training, learns the same in several processes."""

from __future__ import annotations

from pathlib import Path

import pytest
from safetensors.torch import load_file

from tests.ranks.cases import cases, train
from tests.ranks.helpers import assert_near, module


def assert_all_learn_the_same(count: int, folder: Path) -> None:
    module("tests.ranks.cases", folder / "several.safetensors", count=count, cwd=folder)
    several = load_file(folder / "several.safetensors")
    alone = {
        f"{name}: {key}": value
        for name, case in cases().items()
        for key, value in train(case).items()
    }
    assert_near(several, alone)


def test_every_part_learns_the_same_in_two_processes(workplace: Path) -> None:
    assert_all_learn_the_same(2, workplace)


@pytest.mark.slow
def test_every_part_learns_the_same_in_three_processes(workplace: Path) -> None:
    assert_all_learn_the_same(3, workplace)


def test_there_is_a_case_for_every_part() -> None:
    found = " ".join(cases())
    for name in ("r1", "path-length", "contragan", "relativistic-average", "ada", "stylegan2"):
        assert name in found
    assert len(cases()) > 60
