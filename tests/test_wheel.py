"""The wheel is complete: installed into an empty environment, it trains in an empty folder."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
PACKAGES = {"ganlab": "ganlab", "plugins": "ganlab_plugins", "experiments": "ganlab_experiments"}
"""The package of each folder of the repository."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from a copy, so that no leftovers of earlier builds get into it."""
    source = tmp_path_factory.mktemp("source")
    for folder in PACKAGES:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(REPOSITORY / folder, source / folder, ignore=ignored)
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / file, source / file)
    target = tmp_path_factory.mktemp("wheel")
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    pip("wheel", *options, "--wheel-dir", target, source)
    (built,) = target.glob("ganlab-*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel into an environment that sees the packages of this one.

    Editable installs of this environment are not among them: a folder that a .pth file adds to the
    path is not searched for further .pth files.
    """
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    variables = {"base": str(folder), "platbase": str(folder)}
    site = Path(sysconfig.get_path("purelib", "venv", variables))
    seen = [entry for entry in sys.path if Path(entry).name in ("site-packages", "dist-packages")]
    assert seen
    (site / "packages_of_the_tests.pth").write_text("\n".join(seen))
    options = ["--quiet", "--no-deps", "--no-index", "--disable-pip-version-check"]
    pip("--python", folder / "bin" / "python", "install", *options, wheel)
    return folder


def pip(*arguments: str | Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "pip", *map(str, arguments)], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr


def call(environment: Path, program: str, *arguments: str, cwd: Path) -> str:
    """Run a program of the environment without this one's settings, and return what it printed."""
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    result = subprocess.run(
        [environment / "bin" / program, *arguments],
        cwd=cwd,
        env=kept,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_the_wheel_has_every_file_of_the_packages(wheel: Path) -> None:
    expected = {
        f"{package}/{file.relative_to(REPOSITORY / folder)}"
        for folder, package in PACKAGES.items()
        for file in (REPOSITORY / folder).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {name for name in names if ".dist-info/" not in name} == expected
    assert expected > {
        "ganlab/py.typed",
        "ganlab/evaluation/board.html.j2",
        "ganlab/testing/templates/loss.py.j2",
        "ganlab_plugins/generators/dcgan.py",
        "ganlab_plugins/extractors/weights/cnn1x3-digits-4b7b878c712d.safetensors",
        "ganlab_experiments/cgan_digits.yaml",
    }


def test_ganlab_and_its_experiments_come_from_the_wheel(environment: Path, tmp_path: Path) -> None:
    code = (
        "import ganlab, ganlab_plugins\n"
        "from ganlab.config.locate import shipped_folder\n"
        "print(ganlab.__file__, ganlab_plugins.__file__, shipped_folder(), sep='\\n')\n"
    )
    for line in call(environment, "python", "-c", code, cwd=tmp_path).splitlines():
        assert Path(line).is_relative_to(environment)


def test_all_shipped_experiments_are_listed(environment: Path, tmp_path: Path) -> None:
    listed = json.loads(call(environment, "ganlab", "experiments", "--json", cwd=tmp_path))
    files = sorted((REPOSITORY / "experiments").glob("*.yaml"))
    assert [one["name"] for one in listed] == [file.stem for file in files]
    assert {one["origin"] for one in listed} == {"shipped"}


def test_an_experiment_trains_by_its_name_in_an_empty_folder(
    environment: Path, tmp_path: Path
) -> None:
    call(environment, "ganlab", "run", "cgan_digits", "-s", "train.epochs=1", cwd=tmp_path)
    (run,) = tmp_path.glob("runs/cgan_digits/*/run.json")
    assert json.loads(run.read_text())["status"] == "finished"
    assert (run.parent / "samples" / "epoch-0001.png").is_file()
    call(environment, "ganlab", "eval", "--metric", "fid", "--samples", "64", cwd=tmp_path)


def test_a_new_experiment_is_complete(environment: Path, tmp_path: Path) -> None:
    call(environment, "ganlab", "new", "experiment", "mine", "--from", "lsgan_mnist", cwd=tmp_path)
    printed = call(environment, "ganlab", "check", "mine", "--explain", cwd=tmp_path)
    assert "type: lsgan  # experiments/mine.yaml:" in printed
