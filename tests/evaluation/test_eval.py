"""``ganlab eval``: scores that are recorded once, depend on nothing else, and make a board."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from click.testing import Result

from ganlab.evaluation.protocol import Profile
from ganlab.evaluation.score import score_run
from ganlab.metrics import Metric
from tests.evaluation.helpers import EVAL, lines, opened, ruler_of, scored
from tests.training.helpers import only_run

Write = Callable[..., Path]
Ganlab = Callable[..., Result]

pytestmark = pytest.mark.usefixtures("without_companions")


def test_the_board_of_one_run(run: Path, ganlab: Ganlab) -> None:
    result = ganlab(*EVAL)
    assert result.exit_code == 0, result.output
    (line,) = lines(run)
    title, head, row, baseline, held_out = result.stdout.splitlines()
    assert title == (
        "tiny-tiny-000000000000  N=40 against tiny train (40 of 16 x 16)  "
        f"protocol {line['protocol_id']}"
    )
    assert head.split() == (
        ["experiment", "tiny", "↓", "tiny-acc", "↑", "seeds", "img/s", "minutes", "GB", "Mparam"]
    )
    values = line["metrics"]["tiny"]["values"]["tiny"]
    assert len(values) == 3
    assert row.split()[:3] == ["1", f"exp/{run.name[:6]}", f"{sum(values) / 3:.4g}"]
    assert row.split()[4:6] == ["1", "seed"]
    assert baseline.startswith("real images, train (20 against 20): tiny 0.")
    assert baseline.endswith("tiny-acc 1")
    assert held_out == "real images, held out (40 against 40): tiny 0  tiny-acc 1"


def test_asking_again_computes_only_what_is_missing(run: Path, ganlab: Ganlab) -> None:
    ganlab("eval", "--extractor", "tiny", "-m", "tiny")
    ganlab("eval", "--extractor", "tiny", "-m", "tiny")
    assert len(lines(run)) == 1
    result = ganlab(*EVAL)
    first, second = lines(run)
    assert (list(first["metrics"]), list(second["metrics"])) == (["tiny"], ["tiny-acc"])
    assert first["protocol_id"] == second["protocol_id"]
    assert len(result.stdout.splitlines()) == 5
    again = ganlab(*EVAL)
    assert not again.stderr
    assert again.stdout == result.stdout


def test_scores_of_weights_that_were_deleted_stay_on_the_board(run: Path, ganlab: Ganlab) -> None:
    board = ganlab(*EVAL).stdout
    for file in (run / "checkpoints").glob("*.safetensors"):
        file.unlink()
    again = ganlab(*EVAL)
    assert (again.exit_code, again.stdout, again.stderr) == (0, board, "")
    more = ganlab(*EVAL, "--samples", 30)
    assert more.exit_code == 1
    assert more.stdout == ""


def test_a_longer_run_is_scored_anew_and_the_furthest_checkpoint_is_on_the_board(
    run: Path, ganlab: Ganlab
) -> None:
    ganlab(*EVAL)
    ganlab("run", run.parents[2] / "exp.yaml", "-s", "train.steps=9")
    result = ganlab(*EVAL, "--json")
    assert [line["checkpoint"]["steps"] for line in lines(run)] == [6, 9]
    (table,) = json.loads(result.stdout)
    (row,) = table["rows"]
    values = lines(run)[1]["metrics"]["tiny"]["values"]["tiny"]
    assert row["values"]["tiny"] == [pytest.approx(sum(values) / 3)]


def test_training_seeds_are_one_row_with_mean_and_spread(
    write_experiment: Write, ganlab: Ganlab
) -> None:
    exp = write_experiment(steps=4)
    other = write_experiment("other.yaml", steps=4, batch_size=4)
    for seed in range(3):
        ganlab("run", exp, "-s", f"train.seed={seed}")
    ganlab("run", other)
    (table,) = json.loads(ganlab(*EVAL, "--json").stdout)
    rows = {row["experiment"].split("/")[0]: row for row in table["rows"]}
    assert sorted(rows["exp"]["seeds"]) == [0, 1, 2]
    assert len(rows["exp"]["values"]["tiny"]) == 3
    means = [sum(row["values"]["tiny"]) / len(row["seeds"]) for row in table["rows"]]
    assert means == sorted(means)  # lower is better
    text = ganlab(*EVAL).stdout
    assert " ± " in text


def test_other_protocols_are_other_tables(run: Path, ganlab: Ganlab) -> None:
    ganlab(*EVAL)
    result = ganlab(*EVAL, "--samples", 20)
    first, second = (line["protocol_id"] for line in lines(run))
    assert first != second
    assert result.stdout.count("protocol ") == 1
    assert f"N=20 against tiny train (40 of 16 x 16)  protocol {second}" in result.stdout


def test_scores_do_not_depend_on_batches_caches_or_what_else_was_asked(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = scored(run)
    (run / "scores.jsonl").unlink()
    monkeypatch.setattr("ganlab.training.generate.BATCH", 3)
    second = scored(run)
    for name in first:
        for key, values in first[name]["values"].items():
            assert second[name]["values"][key] == pytest.approx(values, abs=1e-4)


def test_scoring_leaves_random_states_as_they_were(run: Path) -> None:
    trained, plugins = opened(run)
    torch.manual_seed(3)
    before = torch.get_rng_state()
    evaluator = ruler_of(trained, plugins)
    metric = plugins.get(Metric, "tiny")()
    eval_spec = evaluator.eval_spec([metric], Profile(samples=20, seeds=1, level="quick"))
    score_run(trained, [metric], evaluator, eval_spec)
    assert torch.equal(before, torch.get_rng_state())


def test_a_corrupt_score_line_is_passed_over_and_kept(run: Path, ganlab: Ganlab) -> None:
    ganlab(*EVAL)
    file = run / "scores.jsonl"
    file.write_text(file.read_text() + '{"metrics": {"tiny"')
    before = file.read_text()
    assert ganlab(*EVAL, "--samples", 10).exit_code == 0
    assert file.read_text().startswith(before)
    assert ganlab(*EVAL).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("nobody",), 2, "there is no run 'nobody'; runs below runs: exp/"),
        (("-m", "tinny"), 2, "there is no metric 'tinny'; did you mean 'tiny'?"),
        (("-m", "tiny", "--samples", "2"), 2, "tiny needs at least 3 images, generated and real"),
    ],
)
def test_bad_input_is_one_clear_line(
    run: Path, ganlab: Ganlab, arguments: tuple[str, ...], code: int, message: str
) -> None:
    result = ganlab("eval", "--extractor", "tiny", *arguments)
    assert result.exit_code == code
    assert result.stderr.splitlines()[-1].startswith(f"Error: {message}")
    assert not (run / "scores.jsonl").exists()


def test_no_finished_run_is_one_clear_line(ganlab: Ganlab) -> None:
    result = ganlab(*EVAL)
    assert (result.exit_code, result.stderr) == (
        2,
        "Error: there is no finished run below runs: train one with ganlab run\n",
    )


def test_a_run_of_other_images_is_refused(run: Path, ganlab: Ganlab) -> None:
    info = json.loads((run / "run.json").read_text())
    info["dataset"]["sha256"] = "0" * 64
    (run / "run.json").write_text(json.dumps(info))
    result = ganlab(*EVAL)
    assert result.exit_code == 1
    assert "'tiny' has other images now than the run was trained on: 0000000" in result.stderr


def test_a_damaged_feature_cache_is_made_again(run: Path, ganlab: Ganlab, own_cache: Path) -> None:
    ganlab(*EVAL)
    (entry,) = (own_cache / "features").glob("*tiny-tiny*")
    entry.write_bytes(entry.read_bytes()[:50])
    result = ganlab(*EVAL, "--samples", 30)
    assert result.exit_code == 0
    assert f"warning: the cached features {entry} are damaged" in result.stderr


def test_a_judge_of_other_classes_is_refused(
    write_experiment: Write, ganlab: Ganlab, workplace: Path
) -> None:
    data = {"type": "tiny", "classes": ["bright", "dark"]}
    ganlab("run", write_experiment(steps=2, sections={"dataset": data}))
    run = only_run(workplace)
    result = ganlab(*EVAL)
    assert (result.exit_code, result.stderr.splitlines()) == (
        2,
        [
            f"exp/{run.name}",
            "warning: bright-tiny-000000000000 tells dark, dim, light, bright; the classes here "
            "are bright, dark: there is no classifier",
            "Error: tiny-acc needs a network that tells the classes of 'tiny', and there is none: "
            "make one with ganlab extractor train tiny",
        ],
    )
