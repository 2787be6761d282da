"""``ganlab experiments`` and ``ganlab new experiment``, and names in the other commands."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import Result

from ganlab.config import locate
from tests.config.conftest import BASE


@pytest.fixture
def shipped(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let two files stand for the experiments that come with ganlab, and add local ones."""
    folder = workplace / "shipped"
    folder.mkdir()
    (folder / "cgan_mnist.yaml").write_text(f"# The default.\n{BASE}")
    (folder / "sweep_seeds.yaml").write_text("# Two seeds.\nsweep: {train.seed: [0, 1]}\n")
    Path("experiments").mkdir()
    Path("experiments/own.yaml").write_text(f"# My own.\n{BASE}")
    monkeypatch.setattr(locate, "shipped_folder", lambda: folder)
    return folder


def test_it_lists_experiments_and_sweeps(ganlab, shipped: Path) -> None:
    result: Result = ganlab("experiments", tiny=False)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == (
        "ganlab run NAME\n"
        "  cgan_mnist  shipped  The default.\n"
        "  own         local    My own.\n"
        "\n"
        "ganlab sweep NAME\n"
        "  sweep_seeds  shipped  Two seeds.\n"
    )


def test_a_broken_file_is_a_warning(ganlab, shipped: Path) -> None:
    Path("experiments/own.yaml").write_text("loss: [\n")
    result: Result = ganlab("experiments", tiny=False)
    assert result.exit_code == 0
    assert result.stderr == (
        "warning: 1 problem in experiments/own.yaml\n"
        "  experiments/own.yaml:2: not YAML: expected the node content, but found '<stream end>'\n"
    )
    assert "cgan_mnist" in result.stdout


def test_json_has_the_same_and_the_files(ganlab, shipped: Path) -> None:
    result: Result = ganlab("experiments", "--json", tiny=False)
    assert json.loads(result.stdout) == [
        {
            "name": "cgan_mnist",
            "description": "The default.",
            "sweep": False,
            "origin": "shipped",
            "file": str(shipped / "cgan_mnist.yaml"),
        },
        {
            "name": "own",
            "description": "My own.",
            "sweep": False,
            "origin": "local",
            "file": "experiments/own.yaml",
        },
        {
            "name": "sweep_seeds",
            "description": "Two seeds.",
            "sweep": True,
            "origin": "shipped",
            "file": str(shipped / "sweep_seeds.yaml"),
        },
    ]


@pytest.mark.parametrize(
    "arguments", [["experiments"], ["new", "experiment", "mine"], ["new", "experiment", "../mine"]]
)
def test_it_imports_no_torch(workplace: Path, arguments: list[str]) -> None:
    code = (
        "import sys\n"
        "from ganlab.cli import cli\n"
        "try:\n"
        f"    cli({arguments})\n"
        "finally:\n"
        "    print('torch' in sys.modules, file=sys.stderr)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=workplace, capture_output=True, text=True
    )
    assert result.stderr.splitlines()[-1] == "False"


def test_new_writes_an_experiment_and_says_what_comes_next(ganlab, shipped: Path) -> None:
    result: Result = ganlab("new", "experiment", "mine", tiny=False)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == (
        "wrote experiments/mine.yaml\n\nnext:\n  ganlab check mine\n  ganlab run mine\n"
    )
    text = Path("experiments/mine.yaml").read_text()
    assert text.startswith("# A variant of cgan_mnist. ")
    again: Result = ganlab("new", "experiment", "mine", "--from", "own", tiny=False)
    assert (again.exit_code, again.stderr) == (
        2,
        "Error: nothing was written: experiments/mine.yaml exists already\n",
    )
    assert Path("experiments/mine.yaml").read_text() == text
    sweep: Result = ganlab("new", "experiment", "grid", "--from", "sweep_seeds", tiny=False)
    assert sweep.stdout == (
        "wrote experiments/grid.yaml\n\nnext:\n  ganlab sweep grid --dry-run\n  ganlab sweep grid\n"
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["experiment", "mine", "--from", "owm"],
            "there is no experiment 'owm'; did you mean 'own'?",
        ),
        (
            ["experiment", "mine", "--package"],
            "--package is for components, not for experiments",
        ),
        (["loss", "mine", "--from", "own"], "--from belongs to `ganlab new experiment NAME`"),
        (["experimen", "mine"], "there is no kind 'experimen'; did you mean 'experiment'?"),
    ],
)
def test_mistakes_are_one_error_and_write_nothing(
    ganlab, shipped: Path, arguments: list[str], said: str
) -> None:
    result: Result = ganlab("new", *arguments, tiny=False)
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1] == f"Error: {said}"
    assert [file.name for file in Path("experiments").iterdir()] == ["own.yaml"]


@pytest.mark.parametrize(
    "command", [["run"], ["sweep"], ["check"], ["bench"], ["extractor", "train"]]
)
def test_an_unknown_name_is_one_line_in_every_command(
    ganlab, workplace: Path, command: list[str]
) -> None:
    result: Result = ganlab(*command, "tiny_mnst.yaml")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("Error: there is no experiment 'tiny_mnst.yaml'; ")
    assert len(result.stderr.splitlines()) == 1


def test_a_name_and_a_path_have_one_run(ganlab, write_experiment) -> None:
    Path("experiments").mkdir()
    path = write_experiment("experiments/mine.yaml")
    folders = [
        ganlab("run", name, "--dry-run").stdout.splitlines()[0].split()[-1]
        for name in (path, "experiments/mine.yaml", "mine.yaml", "mine")
    ]
    assert len(set(folders)) == 1
    assert folders[0].startswith("runs/mine/")
