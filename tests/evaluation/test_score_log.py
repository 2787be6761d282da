"""The scores of a run: what is damaged is passed over, what is no score is not recorded."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import Result

from ganlab import records
from ganlab.errors import DataError
from ganlab.evaluation import score_log
from ganlab.metrics import Metric, MetricInput
from tests.evaluation.helpers import EVAL, lines, opened, scored

Write = Callable[..., Path]
Ganlab = Callable[..., Result]
pytestmark = pytest.mark.usefixtures("without_companions")
LINE: dict[str, Any] = {
    "protocol_id": "p",
    "checkpoint": {"epochs": 1.5},
    "metrics": {
        "m": {"definition": {}, "values": {"m": [1.0, 2.0]}, "flags": [], "real_baselines": {}}
    },
}


def without(*path: str) -> dict[str, Any]:
    """Return the line without a key."""
    line = json.loads(json.dumps(LINE))
    place = line
    for key in path[:-1]:
        place = place[key]
    del place[path[-1]]
    return line  # type: ignore[no-any-return]


def with_values(values: object) -> dict[str, Any]:
    line = without("metrics")
    return line | {"metrics": {"m": {"definition": {}, "values": values}}}


@pytest.fixture
def warnings() -> Iterator[list[str]]:
    """Gather what is warned of."""

    class Gathers(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(record.getMessage())

    found: list[str] = []
    handler = Gathers(logging.WARNING)
    records.log.addHandler(handler)
    yield found
    records.log.removeHandler(handler)


CUT_SHORT = json.dumps(LINE)[:-2]
DAMAGED = {
    CUT_SHORT: f"it is not JSON: Expecting ',' delimiter: line 1 column {len(CUT_SHORT) + 1} "
    f"(char {len(CUT_SHORT)})",
    "": "it is not JSON: Expecting value: line 1 column 1 (char 0)",
    "\udcff\udcfe": "it is not JSON: Expecting value: line 1 column 1 (char 0)",
    "3": "expected a mapping, found int",
    json.dumps([LINE]): "expected a mapping, found list",
    json.dumps(without("metrics")): "metrics is missing",
    json.dumps(without("protocol_id")): "protocol_id is missing",
    json.dumps(without("checkpoint")): "checkpoint is missing",
    json.dumps(without("checkpoint", "epochs")): "checkpoint.epochs is missing",
    json.dumps(without("metrics", "m", "values")): "metrics.m.values is missing",
    json.dumps(without("metrics", "m", "flags")): "metrics.m.flags is missing",
    json.dumps(without("metrics", "m", "definition")): "metrics.m.definition is missing",
    json.dumps(
        with_values({"m": []})
    ): "metrics.m.values.m: list should have at least 1 item after validation, not 0",
    json.dumps(with_values({"m": "12"})): "metrics.m.values.m: input should be a valid list",
    json.dumps(with_values([1.0])): "metrics.m.values: input should be a valid dictionary",
}
"""Lines, and what is wrong with them."""


def test_damaged_lines_are_passed_over_with_one_warning_each_and_kept(
    tmp_path: Path, warnings: list[str]
) -> None:
    file = tmp_path / "scores.jsonl"
    good = json.dumps(LINE)
    text = "\n".join([good, *DAMAGED, good]) + "\n"
    file.write_bytes(text.encode(errors="surrogateescape"))
    before = file.read_bytes()
    for _ in range(2):  # a board reads a run's scores more than once
        assert score_log.read(tmp_path) == [LINE, LINE]
    assert warnings == [
        f"{file}: line {number} is damaged and skipped: {reason}"
        for number, reason in enumerate(DAMAGED.values(), start=2)
    ]
    score_log.append(tmp_path, LINE)
    assert file.read_bytes() == before + good.encode() + b"\n"


def test_lines_of_older_versions_are_read_with_the_present_names(tmp_path: Path) -> None:
    old = json.loads(json.dumps(LINE))
    old["metrics"]["m"] = {
        "definition": {"version": 1, "most": 10, "judge": "cnn"},
        "values": {"m": [1.0]},
        "flags": [],
        "floors": {"held out": {"m": 0.5}},
    }
    score_log.append(tmp_path, old)
    (read,) = score_log.read(tmp_path)
    assert read["metrics"]["m"] == {
        "definition": {"version": 1, "max_images": 10, "classifier": "cnn"},
        "values": {"m": [1.0]},
        "flags": [],
        "real_baselines": {"held out": {"m": 0.5}},
    }


def test_a_line_after_one_that_was_cut_short_is_whole(tmp_path: Path) -> None:
    (tmp_path / "scores.jsonl").write_text(json.dumps(LINE) + "\n" + CUT_SHORT)
    score_log.append(tmp_path, LINE)
    assert score_log.read(tmp_path) == [LINE, LINE]


def test_scores_that_cannot_be_read_are_warned_of(tmp_path: Path, warnings: list[str]) -> None:
    (tmp_path / "scores.jsonl").mkdir()
    assert score_log.read(tmp_path) == []
    assert warnings == [f"{tmp_path / 'scores.jsonl'} cannot be read: Is a directory"]


def test_a_damaged_line_is_named_once_by_the_command(run: Path, ganlab: Ganlab) -> None:
    first = ganlab(*EVAL)
    file = run / "scores.jsonl"
    file.write_text(file.read_text()[:-20])  # the only line: it must be computed again
    again = ganlab(*EVAL)
    assert (again.exit_code, again.stdout) == (0, first.stdout)
    warned = [line for line in again.stderr.splitlines() if "damaged" in line]
    where = f"{file.relative_to(Path.cwd())}: line 1"
    assert len(warned) == 1
    assert warned[0].startswith(f"warning: {where} is damaged and skipped: it is not JSON: ")
    assert len(file.read_text().splitlines()) == 2


def test_scores_during_training_without_floors_are_no_answer_where_floors_are_wanted(
    run: Path, ganlab: Ganlab
) -> None:
    ganlab(*EVAL)
    (line,) = lines(run)
    for metric in line["metrics"].values():
        metric["real_baselines"] = None
    (run / "scores.jsonl").write_text(json.dumps(line) + "\n")
    result = ganlab(*EVAL)
    assert "real images, held out (40 against 40): tiny 0  tiny-acc 1" in result.stdout
    assert len(lines(run)) == 2
    assert ganlab(*EVAL).stdout == result.stdout


# ------------------------------------------------------------------------- what is no score


class Given(Metric):
    """Gives what it is told."""

    name = "given"
    gives: str

    def compute(self, fake: MetricInput, real: MetricInput) -> dict[str, float]:
        return json.loads(self.gives)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("gives", "message"),
    [
        ('{"given": NaN}', "given of exp/{run}: given is nan: not recorded"),
        ('{"given": 1, "x": Infinity}', "given of exp/{run}: x is inf: not recorded"),
        ('{"x": 1}', "given of exp/{run}: it gives no value called 'given', by which to rank"),
    ],
)
def test_values_that_are_no_score_are_named_and_not_recorded(
    run: Path, gives: str, message: str
) -> None:
    with pytest.raises(DataError) as raised:
        scored(run, [Given(gives=gives)])
    assert str(raised.value) == message.format(run=run.name)
    assert not (run / "scores.jsonl").exists()


@pytest.mark.usefixtures("own_cache")
@pytest.mark.parametrize("bn", ["running", "batch", "standing"])
def test_a_network_that_draws_nan_is_one_clear_message(
    run: Path, bn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    opening = opened(run)
    network = opening[0].network()
    with torch.no_grad():
        next(network.parameters()).fill_(float("nan"))
    monkeypatch.setattr(opening[0], "network", lambda **_: network)
    with pytest.raises(DataError) as raised:
        scored(run, opening=opening, bn=bn)
    assert str(raised.value) == (
        f"exp/{run.name} draws pixels that are not finite: there is nothing to score"
    )
    assert not (run / "scores.jsonl").exists()


# --------------------------------------------------------------------------- a run that fails


def truncate(run: Path) -> Path:
    newest = max((run / "checkpoints").glob("step-*"))
    newest.write_bytes(newest.read_bytes()[:200])
    return newest


def test_truncated_weights_are_one_clear_message_and_not_those_before_them(
    run: Path, ganlab: Ganlab
) -> None:
    newest = truncate(run).relative_to(Path.cwd())
    assert len(list((run / "checkpoints").glob("step-*"))) == 2
    result = ganlab(*EVAL)
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].startswith(
        f"Error: {newest} is damaged or no checkpoint of ganlab ("
    )
    assert not (run / "scores.jsonl").exists()


def test_a_run_that_fails_keeps_no_other_from_the_board_unless_it_was_named(
    run: Path, write_experiment: Write, ganlab: Ganlab
) -> None:
    ganlab("run", write_experiment("other.yaml", steps=3))
    ganlab(*EVAL)
    other = next(Path("runs/other").glob("*-s0"))
    truncate(run)
    (run / "scores.jsonl").unlink()
    for _ in range(2):
        result = ganlab(*EVAL)
        assert result.exit_code == 0
        assert result.stdout.splitlines()[2].split()[1] == f"other/{other.name[:6]}"
        assert f"warning: exp/{run.name} is left out: runs/exp/{run.name}" in result.stderr
    for names in (("exp",), ("exp", "other"), ("other", "exp")):
        result = ganlab(*EVAL, *names)
        assert result.exit_code == 1
        assert "Error: runs/exp/" in result.stderr
        assert not result.stdout


def test_a_board_of_nothing_says_so(run: Path, write_experiment: Write, ganlab: Ganlab) -> None:
    ganlab("run", write_experiment("other.yaml", steps=3))
    for folder in Path("runs").glob("*/*-s0"):
        truncate(folder)
    result = ganlab(*EVAL)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.count("is left out") == 2
    assert result.stderr.splitlines()[-1] == "Error: no run could be scored"
