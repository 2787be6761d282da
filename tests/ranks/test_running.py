"""Several processes learn what one learns, however they were started and whoever goes on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from tests.ranks.helpers import assert_near, free_port, ganlab, state_below, torchrun
from tests.training.helpers import only_run

Write = Callable[..., Path]


def sessions(folder: Path) -> list[dict[str, object]]:
    """Return the sessions of the only run."""
    return json.loads((only_run(folder) / "run.json").read_text())["sessions"]


def test_two_processes_learn_what_one_does_and_only_the_first_writes(
    experiment: Write, workplace: Path
) -> None:
    exp = experiment(steps=6)
    (workplace / "tmp").mkdir()
    several = ganlab("run", exp, "--processes", "2", cwd=workplace, TMPDIR="tmp").end()
    assert several.code == 0, several.err
    assert not list((workplace / "tmp").glob("*elastic*"))
    alone = ganlab("run", exp, "--runs-dir", "one", cwd=workplace).end()
    assert_near(state_below(workplace / "runs"), state_below(workplace / "one"))
    for ended in (several, alone):
        assert len(ended.out.splitlines()) == 5
        assert sum("Loss_D" in line for line in ended.err.splitlines()) == 3
    logs = [only_log(workplace / "runs"), only_log(workplace / "one")]
    assert [line.keys() for line in logs[0]] == [line.keys() for line in logs[1]]
    for a, b in zip(*logs, strict=True):
        assert all(a[key] == pytest.approx(b[key], abs=1e-9) for key in a if key[0] in "lgd")
    (seen,) = workplace.glob("runs/*/*/seen.txt")
    assert seen.read_text().split() == ["1", "2", "3", "4", "5", "6"]
    (session,) = sessions(workplace)
    assert session["processes"] == 2


def only_log(folder: Path) -> list[dict[str, float]]:
    """Return the lines of the only log."""
    (file,) = folder.glob("*/*/log.jsonl")
    return [json.loads(line) for line in file.read_text().splitlines()]


@pytest.mark.slow
def test_a_run_of_two_processes_goes_on_with_one_and_with_three(
    experiment: Write, workplace: Path
) -> None:
    exp = experiment(steps=9)
    for steps, more in ((3, ["--processes", "2"]), (6, []), (9, ["--processes", "3"])):
        ended = ganlab("run", exp, "-s", f"train.steps={steps}", *more, cwd=workplace).end()
        assert ended.code == 0, ended.err
    assert ganlab("run", exp, "--runs-dir", "one", cwd=workplace).end().code == 0
    assert_near(state_below(workplace / "runs"), state_below(workplace / "one"))
    found = sessions(workplace)
    assert [session["processes"] for session in found] == [2, 1, 3]
    assert [session["from_step"] for session in found] == [0, 3, 6]


@pytest.mark.slow
def test_two_machines_under_torchrun_learn_what_one_process_does(
    experiment: Write, workplace: Path
) -> None:
    exp = experiment(steps=6)
    options = ["--nnodes", "2", "--nproc-per-node", "1", "--rdzv-backend", "c10d"]
    options += ["--rdzv-endpoint", f"127.0.0.1:{free_port()}", "--rdzv-id", "two"]
    options += ["--local-addr", "127.0.0.1"]
    machines = [torchrun("run", exp, options=options, cwd=workplace) for _ in range(2)]
    try:
        ended = [machine.end() for machine in machines]
    finally:
        for machine in machines:
            if machine.process.poll() is None:
                machine.kill()
    assert [one.code for one in ended] == [0, 0], ended
    assert sorted(len(one.out.splitlines()) for one in ended) == [0, 5]
    assert ganlab("run", exp, "--runs-dir", "one", cwd=workplace).end().code == 0
    assert_near(state_below(workplace / "runs"), state_below(workplace / "one"))


@pytest.mark.slow
@pytest.mark.parametrize("samples", [20, 700])  # less than a batch, and three of them
def test_scores_during_training_are_those_of_one_process(
    experiment: Write, workplace: Path, samples: int
) -> None:
    sections = {"eval": {"metrics": ["tiny", "tiny-acc"], "every": "3 steps", "samples": samples}}
    sections["eval"]["extractor"] = "tiny"
    exp = experiment(steps=6, sections=sections)
    several = ganlab("run", exp, "--processes", "2", cwd=workplace).end()
    assert several.code == 0, several.err
    assert ganlab("run", exp, "--runs-dir", "one", cwd=workplace).end().code == 0
    assert_near(state_below(workplace / "runs"), state_below(workplace / "one"))
    values = []
    for folder in ("runs", "one"):
        (file,) = (workplace / folder).glob("*/*/scores.jsonl")
        lines = map(json.loads, file.read_text().splitlines())
        values += [
            line["metrics"][name]["values"][name][0]
            for line in lines
            for name in ("tiny", "tiny-acc")
        ]
    assert len(values) == 8
    assert values[:4] == pytest.approx(values[4:])


@pytest.mark.slow
def test_weights_with_statistics_of_the_first_process_score_as_they_did_in_training(
    experiment: Write, workplace: Path
) -> None:
    sections = {"eval": {"metrics": ["tiny"], "every": "3 steps", "samples": 700}}
    sections["eval"]["extractor"] = "tiny"
    exp = experiment(steps=6, sections=sections)
    ended = ganlab("run", exp, "--processes", "2", "-s", "train.sync_bn=false", cwd=workplace).end()
    assert ended.code == 0, ended.err
    (file,) = workplace.glob("runs/*/*/scores.jsonl")
    during = json.loads(file.read_text().splitlines()[-1])["metrics"]["tiny"]["values"]["tiny"]
    file.unlink()
    folder = file.parent
    options = ["--metric", "tiny", "--extractor", "tiny", "--samples", "700", "--seeds", "1"]
    after = ganlab("eval", folder, *options, "--json", cwd=workplace).end()
    assert after.code == 0, after.err
    again = json.loads(file.read_text().splitlines()[-1])["metrics"]["tiny"]["values"]["tiny"]
    assert again == pytest.approx(during, rel=1e-6)


@pytest.mark.slow
def test_without_sync_bn_each_process_normalises_its_slice(
    experiment: Write, workplace: Path
) -> None:
    exp = experiment(steps=3)
    for folder, more in (("runs", []), ("own", ["-s", "train.sync_bn=false"])):
        ended = ganlab(
            "run", exp, "--processes", "2", "--runs-dir", folder, *more, cwd=workplace
        ).end()
        assert ended.code == 0, ended.err
    together, own = state_below(workplace / "runs"), state_below(workplace / "own")
    (norm,) = (key for key in own if key.startswith("generator/") and "running_var" in key)
    assert (together[norm] != own[norm]).any()
    assert [file.name for file in (workplace / "runs").glob("*/*")] == [
        file.name for file in (workplace / "own").glob("*/*")
    ]


@pytest.mark.slow
def test_a_batch_that_cannot_be_shared_evenly_is_refused(
    experiment: Write, workplace: Path
) -> None:
    exp = experiment(steps=2, batch_size=9)
    ended = ganlab("run", exp, "--processes", "2", cwd=workplace).end()
    assert ended.code == 2
    assert ended.err.splitlines() == [
        "Error: 1 problem in the experiment",
        "  train.batch_size: 9 images cannot be shared evenly by 2 processes",
    ]
    assert not (workplace / "runs").exists()


def test_options_that_contradict_each_other_are_refused(
    experiment: Write, ganlab: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    exp = experiment(steps=2)
    for more, message in (
        (["--gpus", "2", "--processes", "2"], "--gpus and --processes exclude each other"),
        (["--processes", "2", "--device", "cuda"], "--processes computes on 'cpu'"),
        (["--gpus", "512"], "--gpus 512: this machine has"),
    ):
        result = ganlab("run", exp, *more)
        assert result.exit_code == 2
        assert f"Error: {message}" in result.stderr
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    for command in ("sweep", "bench"):
        result = ganlab(command, exp)
        assert result.exit_code == 2
        assert f"Error: '{command}' runs in one process, not under torchrun" in result.stderr
