"""Every pair of shipped components occurs in a combination that trains, or is rejected."""

from __future__ import annotations

import itertools

import pytest
import torch

from ganlab.errors import ConfigError
from ganlab.run_directory import Progress
from tests.plugins import matrix
from tests.plugins.matrix import Combination
from tests.training.helpers import iterate_once

COMBINATIONS = list(matrix.pairwise(matrix.factors()))
DEFAULT = {
    "conditioning": "concat",
    "generator": "dcgan",
    "discriminator": "dcgan",
    "loss": "bce",
    "regularizer": "-",
    "augmentation": "-",
    matrix.SPECTRAL_NORM: matrix.OFF,
}


def title(combination: Combination) -> str:
    return "|".join(combination.values())


def test_every_pair_that_is_not_rejected_is_covered() -> None:
    there = {
        pair
        for combination in COMBINATIONS
        for pair in itertools.combinations(combination.items(), 2)
    }
    factors = matrix.factors()
    for (a, xs), (b, ys) in itertools.combinations(factors.items(), 2):
        for x, y in itertools.product(xs, ys):
            refused = matrix.refusal({a: x, b: y}) is not None
            assert (((a, x), (b, y)) in there) != refused


@pytest.mark.parametrize("combination", COMBINATIONS, ids=title)
def test_a_combination_trains_and_the_label_has_an_effect_where_it_should(
    combination: Combination,
) -> None:
    matrix.check(combination)


@pytest.mark.parametrize("combination", COMBINATIONS[::6], ids=title)
def test_it_trains_in_bf16_too(combination: Combination) -> None:
    torch.manual_seed(0)
    model, batches, experiment = matrix.build(combination, precision="bf16")
    scalars = iterate_once(model, batches, Progress(), experiment.train)
    assert all(torch.isfinite(value) for value in scalars.values())
    assert all(p.dtype == torch.float32 for n in model.networks.values() for p in n.parameters())


def refused() -> list[Combination]:
    """Return the default experiment with each pair of values that is rejected."""
    factors = matrix.factors()
    pairs = [
        {a: x, b: y}
        for (a, xs), (b, ys) in itertools.combinations(factors.items(), 2)
        for x, y in itertools.product(xs, ys)
        if matrix.refusal({a: x, b: y})
    ]
    return [DEFAULT | pair for pair in pairs]


@pytest.mark.parametrize("combination", refused(), ids=title)
def test_a_rejected_pair_names_the_reason(combination: Combination) -> None:
    message = matrix.refusal(combination)
    assert message is not None
    with pytest.raises(ConfigError) as error:
        matrix.build(combination)
    assert message in str(error.value)


def test_few_pairs_are_rejected() -> None:
    with_loss = [c for c in refused() if "replaces the loss" in str(matrix.refusal(c))]
    normalised = [c for c in refused() if c[matrix.SPECTRAL_NORM] != matrix.OFF]
    missing = [c for c in refused() if c["loss"] == "-"]
    assert len(with_loss) == len(matrix.factors()["loss"]) - 1
    assert len(normalised) == 8
    assert len(refused()) == len(with_loss) + len(normalised) + len(missing)
