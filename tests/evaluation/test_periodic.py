"""Scores during training: recorded, watched, the best kept, and nothing that is learned changes."""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import Result
from safetensors.torch import load_file
from torch import nn

import ganlab as package
from ganlab.errors import PluginError
from ganlab.evaluation.periodic import PeriodicEvaluator
from ganlab.plugins import load_plugins
from ganlab.run_directory import read_run
from ganlab.training.observers import Observers
from tests.training.helpers import TINY, assert_same_state, newest_state, only_run, start

Write = Callable[..., Path]
Ganlab = Callable[..., Result]
EVAL: dict[str, Any] = {"every": "3 steps", "metrics": ["tiny", "tiny-acc"], "extractor": "tiny"}
SCORED = {"eval": EVAL}

pytestmark = pytest.mark.usefixtures("without_companions")

METRIC = """
from itertools import chain, repeat
from ganlab import Metric, hookimpl

given = [VALUES]
values = chain(given, repeat(given[-1]))

class Scripted(Metric):
    name = "scripted"
    higher_is_better = HIGHER

    def compute(self, fake, real):
        value = next(values)
        if value is None:
            raise ValueError("there is no such number")
        return {"scripted": value}

@hookimpl
def register_metrics():
    return [Scripted]
"""


numbers = count()


def add_plugin(workplace: Path, text: str) -> None:
    """Write a plugin file: under a new name, for one process imports a name but once."""
    (workplace / "plugins").mkdir(exist_ok=True)
    (workplace / "plugins" / f"added_{next(numbers)}.py").write_text(text)


def add_metric(workplace: Path, *values: float | None, higher: bool | None = False) -> None:
    """Write a metric that gives these scores in turn: the first of a call is the rehearsal's."""
    text = METRIC.replace("VALUES", ", ".join(map(str, values)))
    add_plugin(workplace, text.replace("HIGHER", str(higher)))


def lines(run: Path) -> list[dict[str, Any]]:
    """Return the lines of scores without what was measured of the machine."""
    measured = ("environment", "seconds", "time")
    written = (run / "scores.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(w).items() if k not in measured} for w in written]


def info(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "run.json").read_text())
    return found


def log_of(run: Path) -> list[dict[str, float]]:
    measured = ("seconds", "images_per_second")
    return [{k: v for k, v in r.items() if k not in measured} for r in read_run(run).records()]


# ------------------------------------------------------------------------- without a trace


def test_weights_optimizers_log_and_identity_are_those_of_a_run_without_scores(
    write_experiment: Write, ganlab: Ganlab, workplace: Path
) -> None:
    runs = []
    for place, section in (("a", {}), ("b", EVAL), ("c", EVAL | {"every": "5 steps"})):
        exp = write_experiment(steps=7, sections={"eval": section} if section else {})
        assert ganlab("run", exp, "--runs-dir", f"{place}/runs").exit_code == 0
        runs.append(only_run(workplace / place))
    plain, *scored = runs
    assert not (plain / "scores.jsonl").exists()
    for run in scored:
        assert run.name == plain.name
        assert_same_state(newest_state(run), newest_state(plain))
        assert any(key.startswith("optimizer.") for key in newest_state(run))
        assert log_of(run) == log_of(plain)


def test_scoring_leaves_modes_and_random_states_as_they_were(
    write_experiment: Write, ganlab: Ganlab, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    evaluate = Observers.evaluate

    def state(network: nn.Module) -> list[Any]:
        modes = [module.training for module in network.modules()]
        return [
            modes,
            torch.get_rng_state().tolist(),
            str(np.random.get_state()),
            random.getstate(),
        ]

    def watched(self: Observers) -> None:
        network = self.model.drawn_from
        before = state(network)
        evaluate(self)
        seen.append(before == state(network) and before[0][0])

    monkeypatch.setattr(Observers, "evaluate", watched)
    assert ganlab("run", write_experiment(steps=4, sections=SCORED)).exit_code == 0
    assert seen == [True, True]


def test_time_spent_on_scoring_is_not_training_time(
    write_experiment: Write, ganlab: Ganlab, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import time

    late = 0.0
    score = PeriodicEvaluator.__call__

    def slow(self: PeriodicEvaluator, *arguments: Any, **more: Any) -> Any:
        nonlocal late
        late += 10_000
        return score(self, *arguments, **more)

    clock = SimpleNamespace(monotonic=lambda: time.monotonic() + late)
    monkeypatch.setattr("ganlab.run_directory.time", clock)
    monkeypatch.setattr(PeriodicEvaluator, "__call__", slow)
    exp = write_experiment(steps=7, seconds=5_000, sections=SCORED)
    assert ganlab("run", exp).exit_code == 0
    assert late == 30_000
    progress = info(only_run(workplace))["progress"]
    assert progress["steps"] == 7
    assert progress["seconds"] < 5_000


# ---------------------------------------------------------------------- what is recorded


def test_every_evaluation_is_a_line_and_all_of_them_a_picture(
    write_experiment: Write, ganlab: Ganlab, workplace: Path
) -> None:
    result = ganlab("run", write_experiment(steps=7, sections=SCORED))
    assert result.exit_code == 0, result.output
    run = only_run(workplace)
    found = lines(run)
    assert [line["checkpoint"]["steps"] for line in found] == [3, 6, 7]
    assert [line["checkpoint"]["epochs"] for line in found] == [0.6, 1.2, 1.4]
    assert {line["weights"] for line in found} == {"ema"}
    assert {line["checkpoint"]["file"] for line in found} == {None}
    assert all(list(line["metrics"]) == ["tiny", "tiny-acc"] for line in found)
    assert found[-1]["weights_sha256"] == info(run)["checkpoint"]["sha256"]
    assert (run / "scores.png").read_bytes().startswith(b"\x89PNG")
    assert f"scores   {run.relative_to(workplace)}/scores.png\n" in result.stdout


def test_plain_lines_show_the_scores(
    write_experiment: Write, ganlab: Ganlab, workplace: Path
) -> None:
    result = ganlab("run", write_experiment(steps=6, sections=SCORED))
    shown = [line for line in result.stderr.splitlines() if line.startswith("scored")]
    assert shown == [
        "scored " + "  ".join(f"{n}: {m['values'][n][0]:.4g}" for n, m in line["metrics"].items())
        for line in lines(only_run(workplace))
    ]
    assert len(shown) == 2


def test_hooks_and_callbacks_are_told_step_and_scores(
    write_experiment: Write, ganlab: Ganlab, workplace: Path
) -> None:
    add_plugin(
        workplace,
        "import json\n"
        "from ganlab import Callback, hookimpl\n"
        "def note(run, name, step, scores):\n"
        "    with (run.path / f'{name}.jsonl').open('a') as file:\n"
        "        file.write(json.dumps([step, scores]) + '\\n')\n"
        "class Watching(Callback):\n"
        "    name = 'watching'\n"
        "    def on_evaluate(self, run, step, scores): note(run, 'callback', step, scores)\n"
        "@hookimpl\n"
        "def register_callbacks(): return [Watching]\n"
        "@hookimpl\n"
        "def on_evaluate(run, step, scores): note(run, 'hook', step, scores)\n",
    )
    exp = write_experiment(steps=6, sections=SCORED | {"callbacks": ["watching"]})
    assert ganlab("run", exp).exit_code == 0
    run = only_run(workplace)
    told = [
        [
            line["checkpoint"]["steps"],
            {name: line["metrics"][name]["values"][name][0] for name in ("tiny", "tiny-acc")},
        ]
        for line in lines(run)
    ]
    for name in ("hook", "callback"):
        assert [json.loads(t) for t in (run / f"{name}.jsonl").read_text().splitlines()] == told


def test_a_finished_run_with_a_longer_budget_goes_on_scoring(
    write_experiment: Write, ganlab: Ganlab, workplace: Path
) -> None:
    assert ganlab("run", write_experiment(steps=5, sections=SCORED)).exit_code == 0
    assert ganlab("run", write_experiment(steps=9, sections=SCORED)).exit_code == 0
    assert [line["checkpoint"]["steps"] for line in lines(only_run(workplace))] == [3, 5, 6, 9]


def test_images_that_cannot_be_scored_are_warned_of_and_training_goes_on(
    write_experiment: Write, ganlab: Ganlab, workplace: Path
) -> None:
    add_metric(workplace, 0, 3, None, 2)
    section = {"eval": EVAL | {"metrics": ["scripted"]}}
    result = ganlab("run", write_experiment(steps=9, sections=section))
    assert result.exit_code == 0
    run = only_run(workplace)
    (warning,) = (line for line in result.stderr.splitlines() if line.startswith("warning"))
    assert warning == (
        f"warning: there are no scores of step 6: scripted of exp/{run.name}: there is no such "
        "number"
    )
    assert [line["checkpoint"]["steps"] for line in lines(run)] == [3, 9]


# ------------------------------------------------------------------------------- the best


@pytest.mark.parametrize(
    ("higher", "step", "epochs"), [(False, 6, "0001.2000"), (True, 3, "0000.6000")]
)
def test_the_best_weights_by_the_first_metric_are_kept(
    write_experiment: Write,
    ganlab: Ganlab,
    workplace: Path,
    higher: bool,
    step: int,
    epochs: str,
) -> None:
    add_metric(workplace, 0, 5, 2, 4, higher=higher)
    section = {"eval": EVAL | {"metrics": ["scripted", "tiny"]}}
    exp = write_experiment(steps=9, sample_every="3 steps", sections=section)
    assert ganlab("run", exp).exit_code == 0
    run = only_run(workplace)
    best = run / "checkpoints" / "best.safetensors"
    kept = run / "checkpoints" / f"generator-epoch-{epochs}.safetensors"
    assert_same_state(load_file(best), load_file(kept))
    recorded = info(run)["best"]
    assert (recorded["file"], recorded["steps"]) == ("best.safetensors", step)
    assert recorded["by"]["metric"] == "scripted"
    assert recorded["by"]["score"] == (5 if higher else 2)
    (line,) = (line for line in lines(run) if line["weights_sha256"] == recorded["sha256"])
    assert line["checkpoint"]["steps"] == step


def test_a_metric_without_a_direction_ranks_nothing(
    write_experiment: Write, ganlab: Ganlab, workplace: Path
) -> None:
    add_metric(workplace, 0, 1, 2, higher=None)
    section = {"eval": EVAL | {"metrics": ["scripted", "tiny-acc"]}}
    assert ganlab("run", write_experiment(steps=6, sections=section)).exit_code == 0
    assert info(only_run(workplace))["best"]["by"]["metric"] == "tiny-acc"


def test_the_best_by_another_protocol_does_not_stand_in_the_way(
    write_experiment: Write, ganlab: Ganlab, workplace: Path
) -> None:
    section = EVAL | {"metrics": ["scripted"]}
    add_metric(workplace, 0, 1, 0, 9)
    ganlab("run", write_experiment(steps=3, sections={"eval": section | {"samples": 20}}))
    ganlab("run", write_experiment(steps=6, sections={"eval": section | {"samples": 30}}))
    best = info(only_run(workplace))["best"]
    assert (best["steps"], best["by"]["score"]) == (6, 9)


def test_the_best_weights_can_be_drawn_from_and_compared(
    write_experiment: Write, ganlab: Ganlab, workplace: Path
) -> None:
    add_metric(workplace, 0, 1, 2, 3)
    section = {"eval": EVAL | {"metrics": ["scripted", "tiny"]}}
    exp = write_experiment(steps=9, sample_every="3 steps", sections=section)
    assert ganlab("run", exp).exit_code == 0
    run = only_run(workplace)
    plugins = load_plugins([TINY])
    trained = package.load(run, plugins=plugins)
    state = load_file(run / "checkpoints" / "generator-epoch-0000.6000.safetensors")
    ours = trained.network(epoch="best").state_dict()
    assert_same_state(ours, {k[4:]: v for k, v in state.items() if k.startswith("ema/")})
    images = {which: trained.sample([0, 1, 2], epoch=which) for which in ("best", 0, None)}
    assert not torch.equal(images["best"], images[0])
    assert not torch.equal(images["best"], images[None])

    pictures = {}
    for option in ((), ("--best",), ("--epoch", 0)):
        assert ganlab("sample", run, *option, "-o", "sheet.png").exit_code == 0
        pictures[option] = Path("sheet.png").read_bytes()
    assert len(set(pictures.values())) == 3
    refused = ganlab("sample", run, "--best", "--epoch", 0)
    assert refused.exit_code == 2
    assert "--epoch and --best name different weights: give one" in refused.stderr

    board = ganlab("eval", "--best", "--extractor", "tiny", "-m", "tiny", "--json")
    (table,) = json.loads(board.stdout)
    assert table["rows"][0]["values"]["tiny"]
    text = ganlab("eval", "--best", "--extractor", "tiny", "-m", "tiny").stdout
    assert "weights: best" in text.splitlines()[0]


def test_a_run_that_starts_over_with_mended_code_forgets_its_best(
    write_experiment: Write, ganlab: Ganlab, workplace: Path
) -> None:
    add_metric(workplace, 0, 1, 0, 5, 6)
    add_plugin(
        workplace,
        "from pathlib import Path\n"
        "from ganlab import hookimpl\n"
        "@hookimpl\n"
        "def on_step_end(run, step, losses):\n"
        "    if step == 4 and not Path('mended').exists(): raise ValueError('not yet')\n",
    )
    section = EVAL | {"metrics": ["scripted"]}
    never = {"steps": 4, "checkpoint_every": "never"}
    failed = ganlab("run", write_experiment(sections={"eval": section}, **never))
    assert failed.exit_code == 70
    assert "Error: training failed: ValueError: not yet\n" in failed.stderr
    run = only_run(workplace)
    assert info(run)["best"]["by"]["score"] == 1
    Path("mended").touch()
    section |= {"every": "2 steps"}
    assert ganlab("run", write_experiment(sections={"eval": section}, **never)).exit_code == 0
    best = info(run)["best"]
    assert (best["steps"], best["by"]["score"]) == (2, 5)


def test_a_run_that_was_not_scored_keeps_no_best_weights(
    write_experiment: Write, ganlab: Ganlab, workplace: Path
) -> None:
    ganlab("run", write_experiment(steps=2))
    run = only_run(workplace)
    result = ganlab("sample", run, "--best")
    assert (result.exit_code, result.stderr) == (
        2,
        f"Error: exp/{run.name} keeps no best weights: train with -s eval.every='1 epoch'\n",
    )


# ------------------------------------------------------------------------------ kill -9

KILLING = """
import os, signal
from pathlib import Path
from ganlab import hookimpl

def die_once(name):
    if not Path(name).exists():
        Path(name).touch()
        os.kill(os.getpid(), signal.SIGKILL)

@hookimpl
def on_evaluate(run, step, scores):
    if step == 6:
        die_once("killed-after-scoring")

@hookimpl
def on_step_end(run, step, losses):
    if step == 8:
        die_once("killed-between")
"""
KILL_AFTER_KEEPING_THE_BEST = """
import os, signal, sys
rename = os.replace
def replace(source, target):
    rename(source, target)
    if "best" in str(target):
        os.kill(os.getpid(), signal.SIGKILL)
os.replace = replace
sys.argv[0] = "ganlab"
from ganlab.cli import main
main()
"""


def test_a_run_that_was_killed_has_the_scores_and_the_best_of_one_that_was_not(
    write_experiment: Write, ganlab: Ganlab, workplace: Path
) -> None:
    add_plugin(workplace, KILLING)
    exp = write_experiment(steps=12, checkpoint_every="4 steps", sections=SCORED)
    marks = [workplace / "killed-after-scoring", workplace / "killed-between"]
    for mark in marks:
        mark.touch()
    assert ganlab("run", exp, "--runs-dir", "whole/runs").exit_code == 0
    for mark in marks:
        mark.unlink()
    scripts = (KILL_AFTER_KEEPING_THE_BEST, None, None)
    for script in scripts:
        process = start("run", exp, cwd=workplace, script=script)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
    assert ganlab("run", exp).exit_code == 0
    whole, killed = only_run(workplace / "whole"), only_run(workplace)
    assert len(info(killed)["sessions"]) == 4
    assert lines(killed) == lines(whole)
    assert [line["checkpoint"]["steps"] for line in lines(killed)] == [3, 6, 9, 12]
    assert info(killed)["best"] == info(whole)["best"]
    best = "checkpoints/best.safetensors"
    assert_same_state(load_file(killed / best), load_file(whole / best))
    assert_same_state(newest_state(killed), newest_state(whole))


# ----------------------------------------------------------------- what cannot be scored

WITHOUT_WEIGHTS = """
from ganlab import Extractor, hookimpl
from ganlab.errors import DataUnavailable

class Gone(Extractor):
    name = "gone"

    def load(self, dataset, channels):
        raise DataUnavailable("the weights of 'gone' cannot be had: download them")

@hookimpl
def register_extractors():
    return [Gone]
"""


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"metrics": ["scripted"]},
            "scripted cannot score even real images: there is no such number",
        ),
        ({"extractor": "gone"}, "the weights of 'gone' cannot be had: download them"),
        (
            {"samples": 2},
            "tiny needs at least 3 images, generated and real: here are 2; --samples asks for more",
        ),
    ],
)
def test_what_cannot_be_scored_is_refused_before_anything_is_written(
    write_experiment: Write,
    ganlab: Ganlab,
    workplace: Path,
    changes: dict[str, Any],
    message: str,
) -> None:
    add_metric(workplace, None)
    add_plugin(workplace, WITHOUT_WEIGHTS)
    exp = write_experiment(sections={"eval": EVAL | changes})
    ganlab("run", write_experiment("other.yaml", steps=1), "--runs-dir", "others")
    for arguments in ((), ("--dry-run",)):
        result = ganlab("run", exp, *arguments)
        assert (result.exit_code, result.stdout) == (2, "")
        said = [line for line in result.stderr.splitlines() if not line.startswith("  features")]
        assert said == [f"Error: {message}"]
    assert not (workplace / "runs").exists()


def test_a_named_metric_without_its_judge_is_refused_before_anything_is_written(
    write_experiment: Write, ganlab: Ganlab, workplace: Path
) -> None:
    data = {"type": "tiny", "classes": ["bright", "dark"]}
    result = ganlab("run", write_experiment(sections=SCORED | {"dataset": data}))
    assert (result.exit_code, result.stderr.splitlines()) == (
        2,
        [
            "warning: bright-tiny-000000000000 tells dark, dim, light, bright; the classes here "
            "are bright, dark: there is no classifier",
            "Error: tiny-acc needs a network that tells the classes of 'tiny', and there is none: "
            "make one with ganlab extractor train tiny",
        ],
    )
    assert not (workplace / "runs").exists()


def test_a_metric_without_a_direction_alone_is_refused(
    write_experiment: Write, ganlab: Ganlab, workplace: Path
) -> None:
    add_metric(workplace, 0, higher=None)
    result = ganlab("run", write_experiment(sections={"eval": EVAL | {"metrics": ["scripted"]}}))
    assert (result.exit_code, result.stderr) == (
        2,
        "Error: no metric says which weights are better: name one in eval.metrics\n",
    )


def test_a_finished_run_is_left_alone_though_it_could_not_be_scored_now(
    write_experiment: Write, ganlab: Ganlab, workplace: Path
) -> None:
    ganlab("run", write_experiment(steps=2))
    exp = write_experiment(steps=2, sections={"eval": EVAL | {"samples": 2}})
    result = ganlab("run", exp)
    assert result.exit_code == 0
    assert "This run is finished" in result.stderr


def test_a_run_carries_the_files_of_its_metrics(
    write_experiment: Write, ganlab: Ganlab, workplace: Path
) -> None:
    add_metric(workplace, 0, 1)
    section = {"eval": EVAL | {"metrics": ["scripted"]}}
    assert ganlab("run", write_experiment(steps=3, sections=section)).exit_code == 0
    run = only_run(workplace)
    shutil.rmtree(workplace / "plugins")
    with pytest.raises(PluginError, match="was trained with plugin files of its own"):
        package.load(run, plugins=load_plugins([TINY]))
    # The run holds a copy of the tiny components too.
    line = [sys.executable, "-m", "ganlab", "sample", str(run), "--best", "--trust-plugins"]
    subprocess.run(line, check=True, capture_output=True)
