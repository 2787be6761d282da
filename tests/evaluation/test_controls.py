"""Scores of a small trained model, and of images whose faults are known: do they tell the truth?"""

from __future__ import annotations

import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner

import ganlab
from ganlab.cli import cli
from ganlab.evaluation.features import chosen, compute, evidence_of, halves
from ganlab.evaluation.protocol import Profile
from ganlab.evaluation.ruler import Ruler, ruler_for
from ganlab.evaluation.score import score_run
from ganlab.measures import Evidence, Metric
from ganlab.plugins import Plugins, load_plugins

REPOSITORY = Path(__file__).parents[2]
SMALL = ("generator.width=16", "discriminator.width=16", "train.epochs=60", "train.precision=fp32")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def plugins() -> Plugins:
    return load_plugins()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, plugins: Plugins) -> ganlab.sampling.Trained:
    """A conditional GAN after a minute of training on the digits, with averaged weights."""
    runs = tmp_path_factory.mktemp("runs")
    arguments = [
        "run",
        str(REPOSITORY / "experiments" / "cgan_digits.yaml"),
        "--runs-dir",
        str(runs),
    ]
    for value in SMALL:
        arguments += ["-s", value]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.output
    return ganlab.load("cgan_digits", runs_dir=runs, plugins=plugins)


@pytest.fixture(scope="module")
def ruler(trained: ganlab.sampling.Trained, plugins: Plugins) -> Ruler:
    return ruler_for(trained.experiment.dataset, trained.run.info["dataset"], plugins)


@pytest.fixture(scope="module")
def generated(trained: ganlab.sampling.Trained, ruler: Ruler) -> Evidence:
    """As many images as the reference has, with its labels."""
    images = trained.sample(ruler.data.labels, seed=0)
    return evidence_of(images, ruler.data.labels, ruler.extractor, ruler.judge)


def value(plugins: Plugins, name: str, fake: Evidence, real: Evidence) -> float:
    return compute(plugins.get(Metric, name)(), fake, real)[name]


@pytest.mark.parametrize("name", ["fid", "fjd", "ifid"])
def test_random_halves_of_real_images_score_better_than_anything_but_copies(
    name: str, plugins: Plugins, ruler: Ruler, generated: Evidence
) -> None:
    some, others = halves(ruler.reference, samples=750)
    assert some.images is not None
    noise = torch.randint(-25, 26, some.images.shape, generator=torch.Generator().manual_seed(0))
    damaged = (some.images + noise).clamp(0, 255).to(torch.uint8)
    noisy = evidence_of(damaged, some.labels, ruler.extractor, ruler.judge)
    few_classes = chosen(some, (some.labels < 9).nonzero()[:, 0])
    halves_score = value(plugins, name, some, others)
    worse = {"generated": generated, "noisy": noisy}
    if name != "ifid":  # a class that is missing has no distance
        worse["a class short"] = few_classes
    scores = {what: value(plugins, name, evidence, others) for what, evidence in worse.items()}
    assert halves_score < min(scores.values()), scores
    assert abs(value(plugins, name, ruler.reference, ruler.reference)) < 0.01 < halves_score


def test_shuffled_labels_leave_fid_alone_break_what_is_conditional_and_are_flagged(
    plugins: Plugins, ruler: Ruler, generated: Evidence
) -> None:
    order = torch.randperm(len(generated.labels), generator=torch.Generator().manual_seed(1))
    shuffled = replace(generated, labels=generated.labels[order])
    fid, ifid, fjd, accuracy = (
        (
            value(plugins, n, generated, ruler.reference),
            value(plugins, n, shuffled, ruler.reference),
        )
        for n in ("fid", "ifid", "fjd", "cond-acc")
    )
    assert fid[1] == pytest.approx(fid[0], rel=1e-6)
    assert ifid[1] > 3 * ifid[0]
    assert fjd[1] > 2 * fjd[0]
    assert accuracy[0] > 0.85
    assert accuracy[1] < 0.15
    metric: Any = plugins.get(Metric, "cond-acc")()
    flags = [
        metric.flag(compute(metric, evidence, ruler.reference), {})
        for evidence in (generated, shuffled)
    ]
    assert flags == [None, "ignores labels"]


def test_copies_of_training_images_are_flagged_though_their_fid_is_better_than_real(
    plugins: Plugins, ruler: Ruler, generated: Evidence
) -> None:
    metric: Any = plugins.get(Metric, "memorization")()
    some, _ = halves(ruler.reference, samples=750)
    assert ruler.held_out is not None
    floor = compute(metric, ruler.held_out, ruler.reference)
    flagged = {
        what: metric.flag(compute(metric, evidence, ruler.reference), floor)
        for what, evidence in {
            "copies": some,
            "held out": ruler.held_out,
            "generated": generated,
        }.items()
    }
    assert flagged == {"copies": "memorizes", "held out": None, "generated": None}
    fid = [value(plugins, "fid", e, ruler.reference) for e in (some, ruler.held_out)]
    assert fid[0] < fid[1]


def test_averaged_weights_score_no_worse_than_the_last_ones(
    plugins: Plugins, ruler: Ruler, trained: ganlab.sampling.Trained
) -> None:
    """After so short a training the average lags as much as it smooths: docs/benchmarks.md."""
    metrics = [plugins.get(Metric, name)() for name in ("fid", "cond-acc")]
    profile = Profile(samples=1500, seeds=2, level="quick")
    (fid, accuracy), (fid_raw, accuracy_raw) = (
        [
            statistics.fmean(answer[metric.name]["values"][metric.name])
            for metric in metrics
            for answer in [
                score_run(trained, metrics, ruler, ruler.question(metrics, profile, raw=raw))
            ]
        ]
        for raw in (False, True)
    )
    assert fid != fid_raw
    assert fid < 1.1 * fid_raw
    assert accuracy > accuracy_raw - 0.02
