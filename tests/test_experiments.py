"""The shipped experiments run as they stand, and the quick look shows the digits asked for."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

REPOSITORY = Path(__file__).parents[1]
FILES = sorted((REPOSITORY / "experiments").glob("*.yaml"))
SWEEPS = [path for path in FILES if path.stem.startswith("sweep")]
EXPERIMENTS = [path for path in FILES if path not in SWEEPS]


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_a_shipped_experiment_is_whole_and_says_where_it_comes_from(path: Path) -> None:
    from ganlab.config.resolve import load_experiment
    from ganlab.plugins import load_plugins

    assert load_experiment(path, load_plugins()).experiment.name == path.stem
    assert f"ganlab run {path.stem}\n" in path.read_text()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_shipped_file_begins_with_a_sentence_that_describes_it(path: Path) -> None:
    first, second, *_ = path.read_text().splitlines()
    assert first.startswith("# ")
    assert first.endswith(".")
    assert len(first) <= 80
    assert second == "#"


def test_the_descriptions_of_the_shipped_files_differ() -> None:
    assert len({path.read_text().splitlines()[0] for path in FILES}) == len(FILES)


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_a_new_experiment_is_equal_to_its_source_with_and_without_its_examples(
    path: Path, workplace: Path
) -> None:
    from ganlab.config.resolve import load_experiment
    from ganlab.config.starting import new_experiment
    from ganlab.config.sweeps import load_sweep
    from ganlab.plugins import load_plugins

    plugins = load_plugins()
    made = new_experiment("mine", path)
    made.write()
    source = load_experiment(path, plugins).experiment
    mine = load_experiment("mine", plugins).experiment
    assert mine.resolved() == {**source.resolved(), "name": "mine"}
    assert mine.identity() == source.identity()
    # Without the "# ", the examples belong to the experiment.
    examples = re.sub(r"^# (?=[a-z]+: [\[{])", "", made.text, flags=re.MULTILINE)
    written = set(re.findall(r"^([a-z]+):", examples, flags=re.MULTILINE))
    assert written >= {"regularizers", "augmentations", "optimizer", "eval", "callbacks", "sweep"}
    Path("examples.yaml").write_text(examples)
    assert len(load_sweep("examples.yaml", plugins)) == 4


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_a_shipped_sweep_is_whole_and_has_networks_that_fit(path: Path) -> None:
    from ganlab.config.sweeps import load_sweep
    from ganlab.plugins import load_plugins
    from ganlab.training.model import check_networks

    points = load_sweep(path, load_plugins())
    assert len(points) >= 3
    for point in points:
        check_networks(point.loaded.experiment)
    assert f"ganlab sweep {path.stem}\n" in path.read_text()


@pytest.mark.slow
def test_the_first_sweep_tells_labels_from_none(workplace: Path) -> None:
    result = run("sweep", str(REPOSITORY / "experiments" / "sweep_quick.yaml"), cwd=workplace)
    assert result.returncode == 0, result.stderr
    rows = [line for line in result.stdout.splitlines() if "none" in line or "concat" in line]
    assert len(rows) == 2
    first, second = rows
    assert "concat" in first
    assert "ignores labels" not in first
    assert "none" in second
    assert second.endswith("ignores labels")


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
    return subprocess.run(
        [sys.executable, "-m", "ganlab", *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
def test_the_quick_look_draws_the_digits_that_were_asked_for(workplace: Path) -> None:
    """A classifier trained on the real digits recognises the rows: chance is a tenth."""
    from sklearn.svm import SVC

    import ganlab
    from ganlab.data.prepare import prepare
    from ganlab.plugins import load_plugins

    path = REPOSITORY / "experiments" / "cgan_digits.yaml"
    result = run("run", str(path), "-s", "train.epochs=40", cwd=workplace)
    assert result.returncode == 0, result.stderr
    digits = load_plugins().find("dataset", "digits").component(image_size=32)
    train, test = prepare(digits), prepare(digits, split="test")
    classifier = SVC().fit(train.images.flatten(1).numpy() / 255, train.labels.numpy())
    assert classifier.score(test.images.flatten(1).numpy() / 255, test.labels.numpy()) > 0.95
    labels = np.arange(10).repeat(50)
    images = ganlab.load("cgan_digits").sample(labels, seed=1)
    assert classifier.score(images.flatten(1).numpy() / 255, labels) > 0.8


@pytest.mark.slow
def test_the_default_experiment_runs_on_any_machine_by_its_fallback(workplace: Path) -> None:
    """Nothing can be downloaded through a proxy that is not there."""
    path = REPOSITORY / "experiments" / "cgan_mnist.yaml"
    environment = {"https_proxy": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}
    result = subprocess.run(
        [sys.executable, "-m", "ganlab", "run", str(path), "-s", "dataset.fallback_images=256"],
        cwd=workplace,
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    first, second, *_ = result.stderr.splitlines()
    assert first.startswith("warning: mnist is not available: not in ")
    assert second == "warning: falling back: this run trains on 'digits', not on 'mnist'"
    (info,) = (json.loads(file.read_text()) for file in workplace.glob("runs/*/*/run.json"))
    assert info["dataset"]["name"] == "digits"
    assert info["dataset"]["fallback_for"] == "mnist"
    (losses,) = workplace.glob("runs/*/*/Log_D.txt")
    assert [line.split()[0] for line in losses.read_text().splitlines()] == ["1", "2"]


@pytest.mark.slow
def test_the_cost_of_a_step_beyond_a_bare_loop_is_measured() -> None:
    result = subprocess.run(
        [sys.executable, str(REPOSITORY / "benchmarks" / "overhead.py")],
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    measured = json.loads(result.stdout)["milliseconds_per_step"]
    assert measured["bare"] > 0
    assert measured["difference"] == pytest.approx(measured["ganlab"] - measured["bare"])
