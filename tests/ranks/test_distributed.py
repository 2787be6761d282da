"""What plugins ask of the whole batch: nothing in one process, the same numbers in several."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ganlab import distributed
from tests.ranks.helpers import module


@pytest.mark.parametrize("count", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_functions_layers_and_their_double_backward_are_those_of_one_process(
    workplace: Path, count: int
) -> None:
    module("tests.ranks.functions", count=count, cwd=workplace)


def test_with_one_process_a_tensor_comes_back_as_it_is() -> None:
    x = torch.randn(4, 3, requires_grad=True)
    for function in (distributed.mean, distributed.sum, distributed.gather, distributed.local):
        assert function(x) is x
    assert torch.equal(distributed.std(x), x.std())
    assert (distributed.world_size(), distributed.rank()) == (1, 0)
