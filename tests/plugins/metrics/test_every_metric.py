"""The common properties of all metrics: names, directions, errors, and no side effects."""

from __future__ import annotations

import ast
import random
from pathlib import Path

import ganlab_plugins.metrics
import numpy as np
import pytest
import torch

from ganlab.components import KINDS
from tests.plugins.metrics.helpers import changed, metric, metric_input, relabelled, reordered

KEYS = {
    "cas": ["cas", "cas_gan-test"],
    "cond-acc": ["cond-acc", "cond-acc_worst", "cond-acc_chance", "cond-acc_matched"],
    "coverage": ["coverage", "density"],
    "ct": ["ct", "ct_closer"],
    "fid": ["fid"],
    "fjd": ["fjd"],
    "ifid": ["ifid", "ifid_worst"],
    "is": ["is", "is_sd"],
    "kid": ["kid", "kid_sd"],
    "memorization": ["memorization"],
    "prc": ["prc", "precision", "recall"],
}
HIGHER = {"cas", "cond-acc", "coverage", "is", "prc"}
WARNS = {"ct", "memorization"}
NEEDS = {
    "cas": ("classifier", "held out"),
    "cond-acc": ("classifier",),
    "ct": ("held out",),
    "is": ("logits",),
}
OF_LABELS = {"cas", "cond-acc", "fjd", "ifid"}
OF_FEATURES = set(KEYS) - {"cas", "cond-acc", "is"}
FAKE, REAL = metric_input(1, shift=0.5), changed(metric_input(2), held_out=metric_input(4))

every_metric = pytest.mark.parametrize("name", sorted(KEYS))


@every_metric
def test_the_ranking_value_comes_first_and_has_the_name_of_the_metric(name: str) -> None:
    values = metric(name).compute(FAKE, REAL)
    assert list(values) == KEYS[name]
    assert next(iter(values)) == name
    assert all(type(value) is float and np.isfinite(value) for value in values.values())


@every_metric
def test_it_declares_its_paper_range_and_direction(name: str) -> None:
    found = metric(name)
    assert isinstance(found, KINDS["metric"])
    assert "arXiv:" in found.paper
    assert found.higher_is_better is (None if name in WARNS else name in HIGHER)
    assert found.needs == NEEDS.get(name, ())
    assert found.version == 1
    assert found.range
    assert found.facts()["range"] == found.range


@pytest.mark.parametrize("name", sorted(set(KEYS) - WARNS))
def test_a_better_generator_scores_better(name: str) -> None:
    worse = relabelled(changed(FAKE, features=FAKE.features + 5, logits=FAKE.logits / 3))
    good, bad = (metric(name).compute(fake, REAL)[name] for fake in (FAKE, worse))
    assert good > bad if name in HIGHER else good < bad


@every_metric
def test_the_order_of_images_matters_only_to_metrics_that_split_them(name: str) -> None:
    found = metric(name)
    there = found.compute(FAKE, REAL)
    other = found.compute(reordered(FAKE), reordered(REAL))
    same = other == pytest.approx(there, rel=1e-5, abs=1e-5)
    assert same is (name not in ("is", "kid"))


@every_metric
def test_wrong_labels_change_only_the_conditional_metrics(name: str) -> None:
    right, wrong = (metric(name).compute(fake, REAL) for fake in (FAKE, relabelled(FAKE)))
    if name not in OF_LABELS:
        assert right == wrong
    elif name in HIGHER:
        assert (right[name], wrong[name] < 0.5) == (1.0, True)
    else:
        assert wrong[name] > 1.5 * right[name] + 1


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", sorted(OF_FEATURES))
def test_a_feature_that_is_not_finite_is_rejected_in_either_set(name: str, value: float) -> None:
    features = FAKE.features.clone()
    features[3, 2] = value
    broken = changed(FAKE, features=features)
    with pytest.raises(ValueError, match=r"^generated features are not finite$"):
        metric(name).compute(broken, REAL)
    with pytest.raises(ValueError, match=r"^reference features are not finite$"):
        metric(name).compute(REAL, broken)


def test_the_inception_score_rejects_logits_that_are_not_finite() -> None:
    broken = changed(FAKE, logits=FAKE.logits / 0)
    with pytest.raises(ValueError, match=r"^generated logits are not finite$"):
        metric("is").compute(broken, REAL)


@pytest.mark.parametrize(
    ("name", "options", "minimum"),
    [
        ("fid", {}, 2),
        ("fjd", {}, 2),
        ("ifid", {}, 2),
        ("is", {}, 10),
        ("is", {"splits": 1}, 2),
        ("kid", {"subset_size": 50}, 50),
        ("prc", {"k": 5}, 6),
        ("coverage", {}, 6),
        ("memorization", {}, 2),
        ("ct", {}, 2),
        ("cas", {}, 2),
    ],
)
def test_the_minimum_depends_on_the_options_and_fewer_images_are_rejected(
    name: str, options: dict[str, int], minimum: int
) -> None:
    found = metric(name, **options)
    assert found.min_images == minimum
    few = metric_input(3, n=minimum - 1)
    what = "logits" if name == "is" else "features"
    expected = f"^{minimum - 1} generated {what}: at least {minimum} are needed$"
    with pytest.raises(ValueError, match=expected):
        found.compute(few, REAL)
    if name != "ifid":  # ifid has a minimum for every class
        found.compute(metric_input(3, n=minimum), REAL)


@every_metric
def test_random_state_output_and_input_do_not_change(
    name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    torch_before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()
    python_before, threads_before = random.getstate(), torch.get_num_threads()
    features = FAKE.features.clone()
    first, second = (metric(name).compute(FAKE, REAL) for _ in range(2))
    assert first == second
    assert torch.equal(torch.get_rng_state(), torch_before)
    assert np.array_equal(np.random.get_state()[1], numpy_before)
    assert (random.getstate(), torch.get_num_threads()) == (python_before, threads_before)
    assert torch.equal(FAKE.features, features)
    assert capfd.readouterr() == ("", "")


def test_torch_fidelity_is_imported_only_when_a_score_is_computed() -> None:
    files = sorted(Path(ganlab_plugins.metrics.__file__).parent.glob("*.py"))
    assert len(files) > len(KEYS)
    for file in files:
        top = [ast.dump(node) for node in ast.parse(file.read_text()).body if "Import" in str(node)]
        assert "torch_fidelity" not in "".join(top), file.name
