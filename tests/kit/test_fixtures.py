"""The fixtures of the kit, in a folder such as a plugin author has."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ganlab.plugins import Plugins
from tests.kit.broken import latent, loss
from tests.kit.helpers import write_plugin

TESTS = """\
from ganlab.plugins import Plugins
from good_scheme import Part


def test_the_scheme(ganlab_check, ganlab_train, ganlab_experiment, ganlab_plugins):
    assert isinstance(ganlab_plugins, Plugins)
    report = ganlab_check("conditioning", "part")
    assert report.ok
    trained = ganlab_train(("conditioning", "part"), steps=3, batch_size=2)
    assert len(trained.losses) == 3
    assert trained.losses[-1]["loss_d"] > 0
    assert ganlab_experiment(Part).conditioning[0].component == Part()


def test_the_loss(ganlab_check):
    ganlab_check("loss", "part")
"""


def run_pytest(folder: Path) -> subprocess.CompletedProcess[str]:
    # Where ganlab was installed from another folder, pytest has to be told; else it is harmless.
    options = ["-q", "-p", "no:cacheprovider", "-p", "ganlab.testing.fixtures"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options],
        cwd=folder,
        env=os.environ | {"GANLAB_LOAD_PLUGINS": "good_scheme,bad_loss"},
        capture_output=True,
        text=True,
    )


def test_authors_check_and_train_by_them(workplace: Path) -> None:
    write_plugin(
        workplace / "plugins",
        "good_scheme",
        "conditioning",
        "Part",
        latent("return z + self.embed(y)"),
    )
    write_plugin(workplace / "plugins", "bad_loss", "loss", "Part", loss("fake - real", "fake"))
    (workplace / "tests").mkdir()
    (workplace / "tests" / "test_it.py").write_text(TESTS)
    (workplace / "pytest.ini").write_text("[pytest]\npythonpath = plugins\n")
    result = run_pytest(workplace)
    assert "1 failed, 1 passed" in result.stdout, result.stdout + result.stderr
    line = "g(): expected G to gain when the logit of a generated image rises, got slope 1 at -0.5"
    assert f"      {line}" in result.stdout.splitlines()
    assert "Traceback" not in result.stdout


def test_they_cost_nothing_where_they_are_not_used() -> None:
    code = "import sys, ganlab.testing.fixtures; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_they_are_registered_with_pytest() -> None:
    import tomllib

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {
        "ganlab.testing.fixtures": "ganlab.testing.fixtures"
    }


def test_every_fixture_is_in_the_documentation() -> None:
    from ganlab.testing import fixtures

    text = (Path(__file__).parents[2] / "docs" / "plugins.md").read_text()
    names = [name for name in vars(fixtures) if name.startswith("ganlab_")]
    assert len(names) == 4
    assert not [name for name in names if f"`{name}" not in text]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["generator", "discriminator", "conditioning", "loss"])
def test_every_shipped_component_passes(kind: str) -> None:
    from ganlab.testing import check

    plugins = Plugins()
    plugins.load_installed()
    wrong = [check(o.component, plugins=plugins) for o in plugins.registered(kind)]
    assert not [str(report) for report in wrong if not report.ok]
