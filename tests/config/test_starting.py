"""A new experiment has all values of the one that it starts from."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ganlab.config import naming
from ganlab.config.resolve import load_experiment
from ganlab.config.starting import SECTIONS, new_experiment
from ganlab.config.sweeps import load_sweep
from ganlab.config.tree import SWEEP
from ganlab.errors import ConfigError, ExperimentError
from ganlab.plugins import Plugins
from tests.config.conftest import BASE


def test_every_section_has_a_comment() -> None:
    assert list(SECTIONS) == [*naming.SECTIONS, SWEEP]


def test_it_has_the_values_of_the_source_and_of_what_that_extends(write, plugins: Plugins) -> None:
    write(BASE + "regularizers: [penalty]\n", "base.yaml")
    source = write("extends: base.yaml\nname: other\nloss: {type: hinge, margin: 2}\n")
    made = new_experiment("mine", source)
    made.write()
    assert made.file == Path("experiments/mine.yaml")
    assert made.commands == ["ganlab check mine", "ganlab run mine"]
    expected = load_experiment(source, plugins).experiment.resolved()
    assert load_experiment("mine", plugins).experiment.resolved() == {**expected, "name": "mine"}
    assert made.text.startswith(
        "# A variant of my. Describe it in this line, which `ganlab experiments` shows.\n"
        "#\n"
        "#   ganlab run mine\n"
        "\n"
        "# The training images. `ganlab show dataset` lists the datasets.\n"
        "dataset: dots\n"
    )
    assert "loss:\n  type: hinge\n  margin: 2\n" in made.text
    assert "regularizers: [penalty]\n" in made.text


def test_a_sweep_stays_a_sweep(write, plugins: Plugins) -> None:
    source = write(BASE + "sweep: {train.seed: [0, 1], loss: [hinge, square]}\n")
    made = new_experiment("mine", source)
    made.write()
    assert made.commands == ["ganlab sweep mine --dry-run", "ganlab sweep mine"]
    assert "#   ganlab sweep mine\n" in made.text
    settings = [point.settings for point in load_sweep("mine", plugins)]
    assert settings == [point.settings for point in load_sweep(source, plugins)]
    assert len(settings) == 4


def test_no_file_is_overwritten(write) -> None:
    source = write(BASE)
    for suffix in ("yaml", "yml"):
        taken = write("mine", f"experiments/mine.{suffix}")
        with pytest.raises(ExperimentError) as caught:
            new_experiment("mine", source).write()
        assert str(caught.value) == f"nothing was written: {taken} exists already"
        assert taken.read_text() == "mine"
        taken.unlink()
    new_experiment("mine", source).write()


def test_a_folder_that_cannot_be_written_is_one_line(write) -> None:
    source = write(BASE)
    Path("experiments").write_text("a file")
    with pytest.raises(ExperimentError) as caught:
        new_experiment("mine", source).write()
    assert str(caught.value) == "cannot write experiments/mine.yaml: File exists"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("../mine", "; did you mean 'mine'?"),
        ("experiments/mine.yaml", "; did you mean 'mine'?"),
        ("mine.yml", "; did you mean 'mine'?"),
        ("my idea", "; did you mean 'my_idea'?"),
        ("..", ""),
        ("", ""),
    ],
)
def test_a_name_that_is_no_file_name_is_refused(write, name: str, hint: str) -> None:
    with pytest.raises(ExperimentError) as caught:
        new_experiment(name, write(BASE))
    assert str(caught.value) == (
        f"'{name}' cannot be the name of an experiment: a name consists of letters, digits, "
        f"underscores, hyphens and dots, without .yaml{hint}"
    )


def test_a_source_with_mistakes_is_refused(write) -> None:
    with pytest.raises(ConfigError, match=re.escape("my.yaml:7: loss: duplicate key")):
        new_experiment("mine", write(BASE + "loss: square\n"))


def test_a_section_that_ganlab_does_not_know_is_kept(write) -> None:
    made = new_experiment("mine", write(BASE + "los: square\n"))
    assert made.text.endswith("\nlos: square\n")
