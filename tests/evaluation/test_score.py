"""What a score depends on, and what it does not; what is kept in the cache, and until when."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import Result
from torch import Tensor, nn

from ganlab.evaluation import generated, real_baselines
from ganlab.evaluation.features import chosen, compute, metric_input_of
from ganlab.evaluation.generated import drawer
from ganlab.metrics import Metric
from tests.evaluation.helpers import SMALL, lines, opened, ruler_of, scored

Write = Callable[..., Path]
Ganlab = Callable[..., Result]
pytestmark = pytest.mark.usefixtures("without_companions", "own_cache")


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count the images that are drawn, one entry a call."""
    counts: list[int] = []
    generate_images = generated.generate_images

    def counting(network: nn.Module, z: Tensor, y: Tensor, **options: Any) -> Tensor:
        counts.append(len(y))
        return generate_images(network, z, y, **options)

    monkeypatch.setattr(generated, "generate_images", counting)
    return counts


# ----------------------------------------------------------------------------- drawn images


def test_images_are_drawn_once_for_all_metrics(run: Path, drawn: list[int]) -> None:
    first = scored(run, ["tiny"])
    assert drawn == [20, 20]
    second = scored(run, ["tiny-acc"])
    assert drawn == [20, 20]
    (run / "scores.jsonl").unlink()
    both = scored(run, ["tiny-acc", "tiny"])
    assert drawn == [20, 20]
    for name, answer in (first | second).items():
        assert both[name]["values"][name] == pytest.approx(answer["values"][name], abs=1e-4)


@pytest.mark.parametrize(
    "change",
    [
        {"profile": replace(SMALL, samples=21)},
        {"profile": replace(SMALL, seeds=3)},
        {"bn": "batch"},
        {"bn": "standing"},
        {"raw": True},
    ],
    ids=["N", "seeds", "batch", "standing", "raw"],
)
def test_images_drawn_for_another_question_are_not_reused(
    run: Path, drawn: list[int], change: dict[str, Any]
) -> None:
    scored(run)
    del drawn[:]
    scored(run, **change)
    seeds = change.get("profile", SMALL).seeds
    assert drawn == ([20] if seeds == 3 else [change.get("profile", SMALL).samples] * 2)


def test_images_of_other_weights_and_other_code_are_not_reused(
    run: Path, ganlab: Ganlab, drawn: list[int]
) -> None:
    scored(run)
    opening = opened(run)
    opening[0].code = "another"
    (run / "scores.jsonl").unlink()
    scored(run, opening=opening)
    assert drawn == [20] * 4
    ganlab("run", "exp.yaml", "-s", "train.steps=9")
    scored(run)
    assert drawn == [20] * 6
    assert [line["checkpoint"]["steps"] for line in lines(run)] == [6, 9]


def test_a_generators_code_is_part_of_what_is_reused(run: Path, monkeypatch: Any) -> None:
    from ganlab.training import record

    before = opened(run)[0].code
    describe = record._describe
    monkeypatch.setattr(
        record, "_describe", lambda plugin, files: describe(plugin, [*files, Path("exp.yaml")])
    )
    assert before
    assert opened(run)[0].code not in ("", before)


def test_other_images_come_of_other_seeds_epochs_and_runs(
    run: Path, write_experiment: Write, ganlab: Ganlab, own_cache: Path
) -> None:
    ganlab("run", "exp.yaml", "-s", "train.seed=1")
    kept: set[str] = set()
    for folder in sorted(Path("runs/exp").glob("*-s?")):
        trained, plugins = opened(folder)
        data = ruler_of(trained, plugins).data
        for epoch in (None, *trained.epochs):
            draw = drawer(trained, data, trained.identify(epoch), samples=20, epoch=epoch)
            for seed in range(2):
                images, asked = draw(seed)
                assert torch.equal(draw(seed)[0], images)
                assert torch.bincount(asked).tolist() == [5, 5, 5, 5]
                kept.add(images.numpy().tobytes().hex())
    entries = list((own_cache / "samples").glob("*.safetensors"))
    assert len(entries) == len(kept) >= 8


def test_the_cache_of_images_stays_below_its_limit_and_the_oldest_leave(
    run: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained, plugins = opened(run)
    data = ruler_of(trained, plugins).data
    draw = drawer(trained, data, trained.identify(), samples=20)
    draw(0)
    (entry,) = (own_cache / "samples").iterdir()
    size = entry.stat().st_size
    monkeypatch.setattr(generated, "MOST_BYTES", 4 * size + 10)
    for number, seed in enumerate((1, 2, 3, 0, 4), start=1):  # 0 is used again before 4 comes
        draw(seed)
        for age, file in enumerate(sorted((own_cache / "samples").iterdir(), key=_age)):
            os.utime(file, (number * 100 + age, number * 100 + age))
    left = {int(file.stem.rpartition("-")[2]) for file in (own_cache / "samples").iterdir()}
    assert left == {2, 3, 0, 4}
    monkeypatch.setattr(generated, "MOST_BYTES", 4 * size - 10)
    draw(5)  # larger than a quarter of the limit: not kept
    assert len(list((own_cache / "samples").iterdir())) == 4


def _age(file: Path) -> int:
    return file.stat().st_mtime_ns


def test_images_with_the_noise_of_another_format_are_not_reused(
    run: Path, drawn: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    trained, plugins = opened(run)
    draw = drawer(trained, ruler_of(trained, plugins).data, trained.identify(), samples=20)
    draw(0)
    monkeypatch.setattr(generated, "FORMAT", generated.FORMAT - 1)
    draw(0)
    draw(0)
    assert drawn == [20, 20]


def test_damaged_images_in_the_cache_are_drawn_again(
    run: Path, own_cache: Path, drawn: list[int]
) -> None:
    first = scored(run)
    for number, file in enumerate((own_cache / "samples").iterdir()):
        file.write_bytes(file.read_bytes()[: 40 * number])
    (run / "scores.jsonl").unlink()
    assert scored(run)["tiny"]["values"] == first["tiny"]["values"]
    assert drawn == [20] * 4


# ------------------------------------------------------------------- baselines of real images


def test_floors_are_measured_once_and_again_when_the_test_split_or_the_judge_differ(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained, plugins = opened(run)
    evaluator = ruler_of(trained, plugins)
    metrics = [plugins.get(Metric, name)() for name in ("tiny", "tiny-acc")]
    measured: list[list[str]] = []
    measure = real_baselines._measure

    def noting(evaluator: Any, metrics: Any, *, samples: int) -> Any:
        measured.append([metric.name for metric in metrics])
        return measure(evaluator, metrics, samples=samples)

    monkeypatch.setattr(real_baselines, "_measure", noting)

    def found() -> real_baselines.RealBaselines:
        return real_baselines.real_baselines_of(
            evaluator, metrics, evaluator.eval_spec(metrics, SMALL)
        )

    first = found()
    assert found() == first
    assert first["tiny"]["held out"] == {
        "tiny": pytest.approx(0, abs=0.2),
        "images": 20,
        "reference_images": 40,
    }
    assert measured == [["tiny", "tiny-acc"]]
    assert evaluator.test is not None
    evaluator.test = replace(evaluator.test, sha256="0" * 64)
    found()
    assert measured == [["tiny", "tiny-acc"]] * 2
    assert evaluator.classifier is not None
    evaluator.classifier.id = "another"
    found()
    assert measured == [["tiny", "tiny-acc"]] * 2 + [["tiny-acc"]]  # the other needs no classifier


@pytest.mark.parametrize("damage", ["", "[]", '{"tiny": 3}', '{"tiny": {"real_baselines": 1}}'])
def test_damaged_floors_are_measured_again(run: Path, own_cache: Path, damage: str) -> None:
    first = scored(run)
    (entry,) = (own_cache / "real_baselines").iterdir()
    kept = entry.read_text()
    entry.write_text(damage)
    (run / "scores.jsonl").unlink()
    assert scored(run)["tiny"]["real_baselines"] == first["tiny"]["real_baselines"] != {}
    assert json.loads(entry.read_text()) == json.loads(kept)


# ------------------------------------------------------------------------------ independence


def test_the_order_of_images_and_of_metrics_does_not_matter(run: Path) -> None:
    trained, plugins = opened(run)
    evaluator = ruler_of(trained, plugins)
    labels = evaluator.data.labels
    images = trained.sample(labels)
    fake = metric_input_of(images, labels, evaluator.extractor, evaluator.classifier)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(1))
    for name in ("tiny", "tiny-acc"):
        metric = plugins.get(Metric, name)()
        before = compute(metric, fake, evaluator.reference)[name]
        after = compute(metric, chosen(fake, order), evaluator.reference)[name]
        assert after == pytest.approx(before, abs=1e-6)


def test_raw_and_averaged_weights_of_one_run_are_scored_apart(run: Path) -> None:
    opening = opened(run)
    raw = scored(run, opening=opening, raw=True)
    averaged = scored(run, opening=opening)
    again = scored(run, opening=opening, raw=True)
    assert raw == again != averaged
    assert [line["weights"] for line in lines(run)] == ["raw", "ema"]
    assert [line["checkpoint"]["weights"] for line in lines(run)] == ["raw", "ema"]
    assert opening[0].run.info["checkpoint"]["weights"] == "ema"


def states() -> list[bytes]:
    return [
        torch.get_rng_state().numpy().tobytes(),
        np.random.get_state()[1].tobytes(),  # type: ignore[index, union-attr]
        repr(random.getstate()).encode(),
    ]


@pytest.mark.parametrize("bn", ["running", "batch", "standing"])
def test_scoring_leaves_weights_and_random_states_as_they_were(run: Path, bn: str) -> None:
    opening = opened(run)
    tensors = opening[0].network().state_dict()
    before = states()
    scored(run, opening=opening, bn=bn)
    assert states() == before
    network = opening[0].network()
    assert not any(module.training for module in network.modules())
    for name, value in network.state_dict().items():
        assert torch.equal(value, tensors[name]), name


def test_random_states_are_left_as_they_were_when_a_metric_fails(run: Path) -> None:
    class Draws(Metric):
        """Draws from every generator there is, and fails."""

        name = "draws"

        def compute(self, fake: Any, real: Any) -> dict[str, float]:
            raise ValueError(f"{torch.rand(1)} {np.random.rand()} {random.random()}")

    before = states()
    messages = set()
    for _ in range(2):
        with pytest.raises(Exception, match="draws of exp/") as raised:
            scored(run, [Draws()])
        messages.add(str(raised.value))
    assert states() == before
    assert len(messages) == 1  # seeded: what a metric draws is the same whatever came before


def test_each_way_of_normalising_draws_other_images_and_keeps_the_statistics(run: Path) -> None:
    trained, plugins = opened(run)
    data = ruler_of(trained, plugins).data

    def statistics() -> list[Tensor]:
        norms = [m for m in trained.network().modules() if isinstance(m, nn.BatchNorm1d)]
        return [tensor for norm in norms for tensor in norm.buffers()]

    before = statistics()
    assert len(before) == 3
    images = [
        drawer(trained, data, trained.identify(), samples=20, bn=bn)(0)[0]
        for bn in ("running", "batch", "standing")  # type: ignore[arg-type]
    ]
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert not torch.equal(images[one], images[other])
    assert all(map(torch.equal, before, statistics()))
