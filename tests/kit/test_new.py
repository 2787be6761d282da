"""``ganlab new``: what it writes works at once."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import Result

from ganlab.components import KINDS
from ganlab.plugins import Plugins
from ganlab.testing import check_file
from ganlab.testing.scaffold import scaffold

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Load nothing but the user's files."""
    monkeypatch.setattr(Plugins, "load_installed", lambda self: None)


def python(*arguments: str | Path, cwd: Path, path: Path | None = None) -> str:
    """Run Python with this ganlab, and return what it printed."""
    folders = [*([str(path)] if path else []), str(Path(os.environ.get("PYTHONPATH", REPOSITORY)))]
    result = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(folders)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_what_it_writes_passes_the_check(kind: str, workplace: Path, few: None) -> None:
    made = scaffold(kind, f"new-{kind}")
    made.write(workplace)
    (report,) = check_file(made.plugin)
    assert report.ok, str(report)
    assert report.component == f"{kind} 'new-{kind}'"
    assert not [group for group in report.groups if group.skipped]


def test_their_own_tests_pass_under_plain_pytest(workplace: Path) -> None:
    for kind in KINDS:
        scaffold(kind, f"some-{kind}").write(workplace)
    printed = python("-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=workplace)
    assert " passed" in printed
    assert sum(line.count(".") for line in printed.splitlines()[:1]) == 10 * 2 + 6


def test_the_files_are_formatted_as_this_repository_is(workplace: Path) -> None:
    for kind in KINDS:
        scaffold(kind, "some-part").write(workplace / kind)
        scaffold(kind, "some-part", package=True).write(workplace / kind)
    settings = ["--no-cache", "--config", REPOSITORY / "pyproject.toml"]
    python("-m", "ruff", "format", "--check", *settings, ".", cwd=workplace)
    python("-m", "ruff", "check", "--ignore", "I001", *settings, ".", cwd=workplace)


def test_the_command_says_what_it_wrote_and_what_comes_next(ganlab, workplace: Path) -> None:
    result: Result = ganlab("new", "conditioning", "my-scheme", tiny=False)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == (
        "wrote plugins/my_scheme.py\n"
        "wrote tests/test_my_scheme.py\n\n"
        "next:\n"
        "  ganlab check --plugin plugins/my_scheme.py\n"
        "  ganlab run experiment.yaml -s conditioning=my-scheme\n"
        "  pytest tests/test_my_scheme.py\n"
    )
    text = Path("plugins/my_scheme.py").read_text()
    assert "class MyScheme(Conditioning):" in text
    assert '    name = "my-scheme"\n' in text
    again: Result = ganlab("new", "conditioning", "my-scheme", tiny=False)
    assert (again.exit_code, again.stderr) == (
        2,
        "Error: nothing was written: there already: plugins/my_scheme.py and "
        "tests/test_my_scheme.py\n",
    )
    assert Path("plugins/my_scheme.py").read_text() == text


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["losss", "x"], 2, "there is no kind 'losss'; did you mean 'loss'?"),
        (
            ["loss", "My Loss"],
            2,
            "'My Loss' cannot be a name: a name is lower-case words joined by hyphens, such as "
            "my-scheme; did you mean 'my-loss'?",
        ),
        (
            ["loss", "../x"],
            2,
            "'../x' cannot be a name: a name is lower-case words joined by hyphens, such as "
            "my-scheme; did you mean 'x'?",
        ),
        (["loss", "random"], 2, "there is a Python module 'random' already: choose another name"),
        (["loss", "class"], 2, "there is a Python module 'class' already: choose another name"),
    ],
)
def test_what_cannot_be_made_is_one_error_and_writes_nothing(
    ganlab, workplace: Path, arguments: list[str], code: int, said: str
) -> None:
    result: Result = ganlab("new", *arguments, tiny=False)
    assert result.exit_code == code
    assert result.stderr.splitlines()[-1] == f"Error: {said}"
    assert not list(workplace.iterdir())


def test_a_name_that_a_component_of_the_kind_has_is_refused(ganlab, workplace: Path) -> None:
    result: Result = ganlab("new", "conditioning", "tiny")
    assert result.exit_code == 2
    # Other tests may have loaded the file tiny.py as a module before.
    assert re.match(r"Error: there is a (conditioning|Python module) 'tiny' already", result.stderr)
    assert not list(workplace.iterdir())


def test_a_class_is_not_called_like_what_it_imports(workplace: Path, few: None) -> None:
    made = scaffold("loss", "step")
    assert "class StepLoss(Loss):" in made.files[made.plugin]
    made.write(workplace)
    (report,) = check_file(made.plugin)
    assert report.ok, str(report)


def test_a_package_is_found_by_its_entry_point_where_it_is_installed(
    ganlab, workplace: Path
) -> None:
    result: Result = ganlab("new", "loss", "my-packaged", "--package", tiny=False)
    assert result.exit_code == 0, result.stderr
    folder = workplace / "ganlab-my-packaged"
    files = {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}
    assert files == {
        "README.md",
        "pyproject.toml",
        "src/ganlab_my_packaged.py",
        "tests/test_my_packaged.py",
    }
    assert "  pip install -e ./ganlab-my-packaged\n" in result.stdout
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    python("-m", "pip", "install", *options, "--target", "site", folder, cwd=workplace)
    site = workplace / "site"
    listed = python("-m", "ganlab", "plugins", cwd=workplace, path=site)
    (line,) = (line for line in listed.splitlines() if "my-packaged" in line)
    assert line.split() == [
        "my-packaged",
        "loss:",
        "my-packaged",
        "ganlab-my-packaged",
        "0.1.0",
        "loaded",
    ]
    assert " passed" in python("-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=folder)
