"""``ganlab bench``: what it prints and refuses, and that it measures what it says."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import Result

from ganlab.benching.trial import Trial

Write = Callable[..., Path]
Ganlab = Callable[..., Result]
PLAIN = {"regularizers": [], "augmentations": [], "callbacks": []}


def masked(text: str) -> str:
    """Return output without what differs from machine to machine."""
    text = re.sub(r"(?m)^(machine +).*", r"\1...", text)
    return re.sub(r" +", " ", re.sub(r"\d+([.,]\d+)*", "#", text))


def test_the_whole_output(write_experiment: Write, ganlab: Ganlab, workplace: Path) -> None:
    result = ganlab(
        *("bench", write_experiment(), "--steps", "4"),
        *("--against", "train.batch_size=4 loss=tiny", "--against", ""),
    )
    assert result.exit_code == 0, result.output
    assert masked(result.stdout) == (
        "experiment exp\n"
        "machine ...\n"
        "dataset tiny: # images, # x # x #, # classes\n"
        " train.batch_size img/s ratio ms/step data D G optimizer rest first s GB MFLOP/img"
        " GFLOP/s of peak\n"
        "# # # # # # # # # # # # # # # %\n"
        "# * # # # (# to #) # # # # # # # # # # # %\n"
        "# # # # (# to #) # # # # # # # # # # # %\n"
        "* is another run than #: what it learns may differ\n"
        "# turns of #, #, # steps; ms: of the turn in the middle; ratio: of img/s, the middle of"
        " the turns (least to most)\n"
        "D: with G's images for it; first s: the first step, before any turn\n"
        "peak fp#: # GFLOP/s, a product of # x # matrices\n"
    )
    assert result.stderr.splitlines() == [
        *(f"[{i}/3] building, warming up" for i in (1, 2, 3)),
        "measuring 4 turns of each",
        "counting operations",
    ]
    assert sorted(path.name for path in workplace.iterdir()) == ["exp.yaml"]


def test_json_is_complete(write_experiment: Write, ganlab: Ganlab) -> None:
    options = ("-s", "train.seed=3", "--against", "train.d_steps=2", "--steps", "9", "--json")
    result = ganlab("bench", write_experiment(sections=PLAIN), *options)
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report.keys() == {"experiment", "machine", "dataset", "notes", "settings"}
    assert report["machine"].keys() >= {"processor", "processors", "threads", "gpu", "torch"}
    assert report["dataset"] == {
        "name": "tiny",
        "images": 40,
        "channels": 1,
        "image_size": 16,
        "classes": 4,
    }
    assert report["notes"] == []
    first, second = report["settings"]
    assert first.keys() == second.keys()
    assert [one["setting"] for one in (first, second)] == ["1", "2"]
    assert first["overrides"] == ["train.seed=3"]
    assert second["overrides"] == ["train.seed=3", "train.d_steps=2"]
    assert first["identity"] != second["identity"]
    assert (first["images_per_step"], second["images_per_step"]) == (8, 16)
    for one in (first, second):
        check(one)
    assert first["ratio"]["turns"] == [1.0] * 7


def check(one: dict[str, Any]) -> None:
    """Check what follows from other numbers of a setting."""
    assert (one["device"], one["precision"], one["channels_last"]) == ("cpu", "fp32", True)
    assert one["steps_per_turn"] == [2, 2, 1, 1, 1, 1, 1]
    for name in ("images_per_second", "ratio"):
        found = one[name]
        assert found["min"] <= found["median"] <= found["max"]
        assert len(found["turns"]) == 7
    assert list(one["parts_ms"]) == ["data", "discriminator", "generator", "optimizer", "rest"]
    assert all(ms > 0 for ms in one["parts_ms"].values())
    assert sum(one["parts_ms"].values()) == pytest.approx(one["step_ms"])
    assert one["images_per_second"]["median"] == pytest.approx(
        1000 * one["images_per_step"] / one["step_ms"]
    )
    assert 0 < one["host_ms"] <= one["step_ms"]
    assert one["warm_up"]["steps"] >= 3
    assert 0 < one["warm_up"]["first_step_seconds"] < one["warm_up"]["seconds"]
    assert one["peak_memory_bytes"] > 1e7
    per_second = one["flops_per_image"] * one["images_per_step"] / one["step_ms"] * 1000
    assert one["flops_per_second"] == pytest.approx(per_second)
    peak = one["peak"]
    assert (peak["precision"], peak["threads"]) == ("fp32", 1)
    assert one["share_of_peak"] == pytest.approx(per_second / peak["flops_per_second"])


def test_settings_take_turns(
    write_experiment: Write, ganlab: Ganlab, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, taken = Trial.turn, []

    def turn(self: Trial, steps: int, **options: Any) -> Any:
        taken.append((self.options.batch_size, steps, self.run.progress.steps))
        return real(self, steps, **options)

    monkeypatch.setattr(Trial, "turn", turn)
    exp = write_experiment(sections=PLAIN)
    assert ganlab("bench", exp, "--steps", "14", "--against", "train.batch_size=4").exit_code == 0
    warm_up = [(8, 1, 1), (8, 1, 2), (8, 1, 3), (4, 1, 1), (4, 1, 2), (4, 1, 3)]
    measured = [(size, 2, 4 + 2 * i) for i in range(7) for size in (8, 4)]
    counted = [(8, 1, 1), (4, 1, 1)]
    assert taken == [*warm_up, *measured, *counted]


def test_a_dataset_that_is_not_there_is_replaced_by_random_images_and_never_downloaded(
    workplace: Path, ganlab: Ganlab
) -> None:
    exp = {
        "dataset": {"type": "mnist", "image_size": 16, "limit": 100},
        "generator": {"type": "dcgan", "width": 4},
        "discriminator": {"type": "dcgan", "width": 4},
        "conditioning": "concat",
        "loss": "bce",
        "train": {"steps": 1, "batch_size": 4, "precision": "fp32", "device": "cpu"},
    }
    (workplace / "exp.yaml").write_text(yaml.safe_dump(exp))
    result = ganlab("bench", "exp.yaml", "--steps", "1", "--data-root", "there")
    assert result.exit_code == 0, result.output
    assert "dataset     random: 100 images, 1 x 16 x 16, 10 classes" in result.stdout
    assert result.stdout.splitlines()[-1] == (
        "note: 'mnist' is not on this machine, and a benchmark downloads nothing: measured with "
        "random images (10 classes, 1 channel; --data random:CHANNELSxCLASSES makes others)"
    )
    assert not (workplace / "there").exists()


def test_random_images_can_be_asked_for(write_experiment: Write, ganlab: Ganlab) -> None:
    exp = write_experiment(sections=PLAIN)
    result = ganlab("bench", exp, "--steps", "1", "--data", "random:3x5")
    assert result.exit_code == 0, result.output
    assert "dataset     random: 10,000 images, 3 x 16 x 16, 5 classes" in result.stdout
    assert "note:" not in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("nowhere.yaml",),
            "there is no experiment 'nowhere.yaml'; `ganlab experiments` lists the experiments",
        ),
        (
            ("exp.yaml", "--against", "train.batchsize=4"),
            "1 problem in exp.yaml\n  -s: train.batchsize: 'train' has no option 'batchsize'; did "
            "you mean 'batch_size'?",
        ),
        (("exp.yaml", "-s", "train.device=tpu"), "1 problem in the experiment\n  train.device: "),
        (("exp.yaml", "--against", "'a b"), "Invalid value for '--against': No closing quotation"),
        (
            ("exp.yaml", "--data", "3x10"),
            "'3x10' is neither auto, random, nor random:CHANNELSxCLASSES",
        ),
        (("exp.yaml", "-s", "train.batch_size=64"), "tiny has 40 images, fewer than a batch of 64"),
    ],
)
def test_bad_input_is_one_clear_line(
    write_experiment: Write, ganlab: Ganlab, arguments: tuple[str, ...], message: str
) -> None:
    write_experiment(sections=PLAIN)
    result = ganlab("bench", *arguments)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert f"Error: {message}" in result.stderr


def test_what_a_plugin_raises_names_the_plugin(
    write_experiment: Write, ganlab: Ganlab, workplace: Path
) -> None:
    folder = workplace / "plugins"
    folder.mkdir()
    (folder / "broken.py").write_text(
        "from ganlab import Loss, hookimpl\n"
        "class Broken(Loss):\n"
        "    name = 'broken'\n"
        "    def d(self, real, fake):\n"
        "        raise ValueError('out of order')\n"
        "@hookimpl\n"
        "def register_losses():\n"
        "    return [Broken]\n"
    )
    result = ganlab("bench", write_experiment(sections=PLAIN), "-s", "loss=broken", "--steps", "1")
    assert result.exit_code == 3
    assert result.stderr.splitlines()[-1] == (
        "Error: loss 'broken': d() raised ValueError at broken.py:5: out of order"
    )
