"""Records of runs: what is damaged is named with file and field, and no other run suffers."""

from __future__ import annotations

import json
import logging
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from ganlab import Run, records
from ganlab.errors import RunError
from ganlab.run_directory import Progress, list_runs, read_run
from ganlab.training.checkpoint import read_stored
from tests.evaluation.helpers import EVAL

Ganlab = Callable[..., Result]
KeyPath = tuple[str, ...]
REQUIRED = {
    "experiment",
    "identity",
    "seed",
    "status",
    "dataset",
    "dataset.name",
    "dataset.sha256",
    "dataset.images",
    "dataset.image_size",
    "dataset.channels",
    "dataset.class_names",
    "sessions",
    "plugins",
    "plugins.generator/tiny.sha256",
    "choices",
    "checkpoint.file",
    "checkpoint.sha256",
    "checkpoint.weights",
    "checkpoint.steps",
    "checkpoint.epochs",
}


@pytest.fixture
def warnings() -> Iterator[list[str]]:
    """Collect the warnings about records."""

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(record.getMessage())

    found: list[str] = []
    handler = Collector(logging.WARNING)
    records.log.addHandler(handler)
    yield found
    records.log.removeHandler(handler)


def key_paths(info: dict[str, Any]) -> Iterator[KeyPath]:
    """Yield the keys of run.json, those of the dataset, the weights, and one plugin."""
    yield from ((key,) for key in info)
    for key in ("dataset", "checkpoint", "progress"):
        yield from ((key, inner) for inner in info[key])
    yield from (("plugins", "generator/tiny", key) for key in info["plugins"]["generator/tiny"])


def without(data: dict[str, Any], path: KeyPath) -> dict[str, Any]:
    """Return a copy without one key."""
    copy: dict[str, Any] = json.loads(json.dumps(data))
    place = copy
    for key in path[:-1]:
        place = place[key]
    del place[path[-1]]
    return copy


@pytest.mark.usefixtures("without_companions")
def test_a_run_without_one_of_its_keys_does_not_end_the_board_of_the_others(
    trained_run: Path, ganlab: Ganlab
) -> None:
    assert ganlab(*EVAL).exit_code == 0
    whole = trained_run.with_name("aaaaaa-s0")
    shutil.copytree(trained_run, whole)
    info = json.loads((trained_run / "run.json").read_text())
    (whole / "run.json").write_text(json.dumps(info | {"identity": "aaaaaabbbbbb"}))
    required = set()
    for path in key_paths(info):
        (trained_run / "run.json").write_text(json.dumps(without(info, path)))
        result = ganlab(*EVAL)
        assert result.exit_code == 0, (path, result.output)
        assert "exp/aaaaaa" in result.stdout, path
        warned = [line for line in result.stderr.splitlines() if line.startswith("warning: ")]
        if warned:
            required.add(".".join(path))
            file = (trained_run / "run.json").relative_to(Path.cwd())
            assert warned == [f"warning: {file} cannot be read: {'.'.join(path)} is missing"]
        else:
            assert f"exp/{trained_run.name[:6]}" in result.stdout, path
    assert required == REQUIRED


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"seed": "0"}, "seed: input should be a valid integer"),
        ({"sessions": {}}, "sessions: input should be a valid list"),
        ({"progress": {"epochs": None}}, "progress.epochs: input should be a valid number"),
        ({"best": {"by": {}}}, "best.sha256 is missing"),
    ],
)
def test_a_value_of_the_wrong_type_is_named(
    trained_run: Path, change: dict[str, Any], reason: str
) -> None:
    file = trained_run / "run.json"
    info = json.loads(file.read_text())
    file.write_text(json.dumps(info | change))
    with pytest.raises(RunError) as raised:
        read_run(trained_run)
    assert str(raised.value) == f"{file} cannot be read: {reason}"


def test_images_of_another_system_have_required_keys_of_their_own() -> None:
    info: dict[str, Any] = {
        "experiment": "images/x",
        "identity": "0123456789ab",
        "seed": 0,
        "status": "finished",
        "dataset": {
            "name": "shapes",
            "sha256": "ab",
            "images": 40,
            "image_size": 16,
            "channels": 1,
            "class_names": ["a", "b"],
        },
        "made_elsewhere": {"place": "x", "labels": None, "images": 1},
        "dataset_block": {"type": "shapes"},
        "checkpoint": {"sha256": "cd", "weights": "images", "steps": 0, "epochs": 0.0},
    }
    assert records.parse_run(json.dumps(info)) == info
    for path in [("dataset_block",), ("made_elsewhere", "place"), ("checkpoint", "sha256")]:
        with pytest.raises(ValueError) as raised:
            records.parse_run(json.dumps(without(info, path)))
        assert str(raised.value) == f"{'.'.join(path)} is missing"


def test_keys_of_other_versions_are_kept(trained_run: Path) -> None:
    file = trained_run / "run.json"
    info = json.loads(file.read_text())
    info["later"] = {"a": 1}
    info["dataset"]["later"] = 2
    info["progress"]["later"] = 3
    file.write_text(json.dumps(info))
    run = read_run(trained_run)
    assert run.info == info
    assert run.progress == Progress(**without(info, ("progress", "later"))["progress"])


def test_a_damaged_run_is_warned_of_once(trained_run: Path, warnings: list[str]) -> None:
    (trained_run / "run.json").write_text("{}")
    for _ in range(3):
        assert list_runs(trained_run.parent) == []
    file = trained_run / "run.json"
    assert warnings == [f"{file} cannot be read: experiment is missing"]


def test_damaged_lines_of_the_log_are_skipped_and_named(
    trained_run: Path, warnings: list[str]
) -> None:
    file = trained_run / "log.jsonl"
    good = read_run(trained_run).records()
    assert [record["step"] for record in good] == [2, 4, 6]
    first, *others = file.read_text().splitlines()
    damaged = {
        first[:-1]: f"it is not JSON: Expecting ',' delimiter: line 1 column {len(first)} "
        f"(char {len(first) - 1})",
        json.dumps(without(good[0], ("step",))): "step is missing",
        json.dumps(without(good[0], ("epochs",))): "epochs is missing",
        json.dumps(good[0] | {"loss_d": "1.5"}): "loss_d: input should be a valid number",
        json.dumps(good[0] | {"step": 2.5}): "step: input should be a valid integer",
    }
    file.write_text("\n".join([first, *damaged, *others]) + "\n")
    assert read_run(trained_run).records() == good
    assert warnings == [
        f"{file}: line {number} is damaged and skipped: {reason}"
        for number, reason in enumerate(damaged.values(), start=2)
    ]


def test_a_log_holds_numbers_that_are_not_finite_and_unknown_ones(trained_run: Path) -> None:
    run = read_run(trained_run)
    run.append_log({"step": 8, "epochs": 1.6, "loss_d": float("inf"), "later": [1]})
    assert run.records()[-1] == {
        "step": 8,
        "epochs": 1.6,
        "loss_d": float("inf"),
        "later": [1],
    }


def test_a_line_of_scores_without_one_of_its_keys_is_read_or_named(
    trained_run: Path, warnings: list[str]
) -> None:
    file = trained_run / "scores.jsonl"
    whole: dict[str, Any] = {
        "protocol_id": "p",
        "protocol": {"samples": 40},
        "weights_sha256": "w",
        "weights": "ema",
        "bn": "running",
        "truncation": None,
        "seeds": [0],
        "checkpoint": {"sha256": "w", "steps": 6, "epochs": 1.2},
        "metrics": {
            "m": {"definition": {}, "values": {"m": [2.0]}, "flags": [], "real_baselines": {}}
        },
        "environment": {},
    }
    paths: list[KeyPath] = [
        *((key,) for key in whole),
        *(("checkpoint", key) for key in whole["checkpoint"]),
        *(("metrics", "m", key) for key in whole["metrics"]["m"]),
    ]
    required = {
        "protocol_id",
        "checkpoint",
        "metrics",
        "checkpoint.epochs",
        "metrics.m.definition",
        "metrics.m.values",
        "metrics.m.flags",
    }
    for path in paths:
        file.write_text(f"{json.dumps(without(whole, path))}\n{json.dumps(whole)}\n")
        warnings.clear()
        scores = Run(trained_run).scores
        assert [record["m"] for record in scores[-1:]] == [2.0]
        key = ".".join(path)
        expected = [f"{file}: line 1 is damaged and skipped: {key} is missing"]
        assert warnings == (expected if key in required else [])


@pytest.mark.parametrize(
    "key", ["identity", "seed", "progress", "sha256", "optimizers", "unlogged"]
)
def test_a_checkpoint_without_one_of_its_keys_is_damaged(trained_run: Path, key: str) -> None:
    file = max((trained_run / "checkpoints").glob("step-*"))
    with safe_open(file, framework="pt") as stored:
        meta = json.loads(stored.metadata()["ganlab"])
    assert read_stored(file).meta == meta
    save_file(load_file(file), file, {"ganlab": json.dumps(without(meta, (key,)))})
    with pytest.raises(RunError) as raised:
        read_stored(file)
    assert str(raised.value) == f"{file} is damaged: in its metadata, {key} is missing"


def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(
    trained_run: Path, ganlab: Ganlab
) -> None:
    newest = max((trained_run / "checkpoints").glob("step-*"))
    save_file(load_file(newest), newest, {"ganlab": '{"format": 2}'})
    result = ganlab("sample", "exp")
    assert result.exit_code == 0
    place = newest.relative_to(Path.cwd())
    assert result.stderr.splitlines()[0] == (
        f"warning: {place} is damaged: in its metadata, identity is missing; "
        "going back to the one before it"
    )


def test_listing_runs_opens_one_file_of_each(trained_run: Path) -> None:
    text = (trained_run / "run.json").read_text()
    for number in range(20):
        folder = Path("many") / f"{number:06d}-s0"
        for name in ("samples", "checkpoints", "plugins"):
            (folder / name).mkdir(parents=True)
        (folder / "run.json").write_text(text)
    opened: list[str] = []
    recording = True

    def record(event: str, arguments: tuple[object, ...]) -> None:
        if recording and event == "open" and str(arguments[0]).startswith("many"):
            opened.append(str(arguments[0]))

    sys.addaudithook(record)  # for the rest of the process
    runs = list_runs(Path("many"))
    recording = False
    assert opened == [str(run.path / "run.json") for run in runs]
    assert len(runs) == 20
