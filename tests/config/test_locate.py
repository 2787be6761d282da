"""Experiments are found by path or by name, the user's own before those that come with ganlab."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ganlab.config import locate
from ganlab.config.listing import ListedExperiment, describe, list_experiments
from ganlab.config.locate import find_experiment, known_experiments, shipped_folder
from ganlab.config.resolve import load_experiment
from ganlab.config.sweeps import load_sweep
from ganlab.errors import ConfigError, ExperimentError
from ganlab.plugins import Plugins
from tests.config.conftest import BASE

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def shipped(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let a folder of the test stand for the experiments that come with ganlab."""
    folder = tmp_path_factory.mktemp("shipped")
    monkeypatch.setattr(locate, "shipped_folder", lambda: folder)
    return folder


def refusal(name: str) -> str:
    with pytest.raises(ExperimentError) as caught:
        find_experiment(name)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_the_experiments_of_this_repository_are_installed() -> None:
    names = {file.stem for file in (REPOSITORY / "experiments").glob("*.yaml")}
    assert {file.stem for file in shipped_folder().glob("*.yaml")} == names
    assert len(names) > 30


def test_a_file_is_found_by_its_path(write) -> None:
    for path in ("my.yaml", "experiments/my.yaml", "elsewhere/no-suffix"):
        assert find_experiment(write(BASE, path)) == Path(path)
        assert find_experiment(str(Path(path).resolve())) == Path(path).resolve()


def test_a_name_is_looked_up_in_the_folder_experiments_then_among_the_shipped(
    write, shipped: Path
) -> None:
    (shipped / "one.yaml").write_text(BASE)
    (shipped / "two.yaml").write_text(BASE)
    own = write(BASE, "experiments/two.yaml")
    third = write(BASE, "experiments/three.yml")
    assert find_experiment("one") == find_experiment("one.yaml") == shipped / "one.yaml"
    assert find_experiment("two") == find_experiment("two.yaml") == own
    assert find_experiment("three") == find_experiment("three.yml") == third
    assert list(known_experiments()) == ["one", "three", "two"]


def test_a_file_in_the_working_directory_comes_before_a_name(write, shipped: Path) -> None:
    (shipped / "one.yaml").write_text(BASE)
    write(BASE, "experiments/one.yaml")
    assert find_experiment("one.yaml") == Path("experiments/one.yaml")
    here = write(BASE, "one.yaml")
    assert find_experiment("one.yaml") == here
    assert find_experiment("one") == Path("experiments/one.yaml")


def test_a_folder_does_not_hide_an_experiment_of_its_name(workplace: Path, shipped: Path) -> None:
    (shipped / "one.yaml").write_text(BASE)
    Path("one").mkdir()
    assert find_experiment("one") == shipped / "one.yaml"
    Path("other").mkdir()
    assert find_experiment("other") == Path("other")  # reading it says that it is a folder


def test_an_unknown_name_suggests_a_near_one(write, shipped: Path) -> None:
    (shipped / "cgan_mnist.yaml").write_text(BASE)
    write(BASE, "experiments/mine.yaml")
    write(BASE, "here.yaml")
    everything = "`ganlab experiments` lists the experiments"
    assert [
        refusal(name) for name in ("cgan_mnst", "mime", "her.yaml", "experiments/mnie.yaml")
    ] == [
        "there is no experiment 'cgan_mnst'; did you mean 'cgan_mnist'?",
        "there is no experiment 'mime'; did you mean 'mine'?",
        "there is no experiment 'her.yaml'; did you mean 'here.yaml'?",
        "there is no experiment 'experiments/mnie.yaml'; did you mean 'experiments/mine.yaml'?",
    ]
    assert refusal("zzz") == f"there is no experiment 'zzz'; {everything}"
    assert refusal("no/such/file.yaml").endswith(everything)
    assert refusal("null\0").endswith(everything)


def test_a_name_with_directories_is_a_path_alone(workplace: Path, shipped: Path) -> None:
    (shipped / "one.yaml").write_text(BASE)
    assert refusal("folder/one.yaml") == (
        "there is no experiment 'folder/one.yaml'; did you mean 'one'?"
    )


def test_a_path_that_the_system_refuses_is_left_to_the_reader(write, plugins: Plugins) -> None:
    write(BASE)
    name = "x" * 300
    assert find_experiment(name) == Path(name)
    with pytest.raises(ConfigError, match="cannot be read: File name too long"):
        load_experiment(name, plugins)


def test_an_installation_without_the_experiments_finds_local_ones_alone(
    write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locate, "PACKAGE", "ganlab_experiments_of_nobody")
    own = write(BASE, "experiments/own.yaml")
    assert find_experiment("own") == own
    assert refusal("one") == (
        "the package ganlab_experiments_of_nobody, which comes with ganlab, is missing: "
        "reinstall ganlab"
    )


def test_an_experiment_is_the_same_by_name_and_by_path(
    write, shipped: Path, plugins: Plugins
) -> None:
    (shipped / "v1.5.yaml").write_text(BASE)
    by_name = load_experiment("v1.5", plugins)
    by_path = load_experiment(shipped / "v1.5.yaml", plugins)
    assert by_name == by_path
    assert by_name.experiment.name == "v1.5"
    assert by_name.experiment.identity() == by_path.experiment.identity()


def test_a_sweep_is_found_by_name(write, shipped: Path, plugins: Plugins) -> None:
    (shipped / "grid.yaml").write_text(BASE + "sweep: {train.seed: [0, 1]}\n")
    points = load_sweep("grid", plugins)
    assert [point.loaded.experiment.name for point in points] == ["grid", "grid"]
    with pytest.raises(ConfigError) as caught:
        load_experiment("grid", plugins)
    assert str(caught.value) == (
        f"1 problem in grid\n  {shipped / 'grid.yaml'}:7: sweep: this file is a sweep; run it "
        "with: ganlab sweep grid"
    )


def test_a_file_extends_a_neighbour_an_own_or_a_shipped_experiment(
    write, shipped: Path, plugins: Plugins
) -> None:
    (shipped / "base.yaml").write_text(BASE + "optimizer: {lr: 1}\n")

    def rate(name: str) -> float:
        write(f"extends: {name}\n", "folder/my.yaml")
        experiment = load_experiment("folder/my.yaml", plugins).experiment
        return experiment.optimizer["generator"].lr

    assert [rate("base"), rate("base.yaml")] == [1, 1]
    write(BASE + "optimizer: {lr: 2}\n", "experiments/base.yaml")
    assert [rate("base"), rate("base.yaml")] == [2, 2]
    write(BASE + "optimizer: {lr: 3}\n", "folder/base.yaml")
    assert [rate("base"), rate("base.yaml")] == [3, 3]


@pytest.mark.parametrize(
    ("text", "description"),
    [
        ("# A GAN.\n#\n# More.\nloss: bce\n", "A GAN."),
        ("#\n## A GAN.\n", "A GAN."),
        ("# yaml-language-server: $schema=a.json\n# A GAN.\n", "A GAN."),
        ("loss: bce\n# A GAN.\n", ""),
        ("\n# A GAN.\n", ""),
        ("", ""),
    ],
)
def test_the_description_is_the_first_line_of_the_first_comment(
    text: str, description: str
) -> None:
    assert describe(text) == description


def test_the_list_has_local_and_shipped_experiments_and_knows_sweeps(write, shipped: Path) -> None:
    (shipped / "base.yaml").write_text("# Shipped.\n" + BASE)
    (shipped / "hidden.yaml").write_text(BASE)
    own = write("# Own.\n" + BASE, "experiments/hidden.yaml")
    grid = write("extends: base\nsweep: {train.seed: [0, 1]}\n", "experiments/grid.yaml")
    child = write("extends: grid.yaml\n", "experiments/child.yml")
    assert list_experiments() == [
        ListedExperiment("base", shipped / "base.yaml", "Shipped.", False, "shipped"),
        ListedExperiment("child", child, "", True, "local"),
        ListedExperiment("grid", grid, "", True, "local"),
        ListedExperiment("hidden", own, "Own.", False, "local"),
    ]


def test_a_file_that_cannot_be_read_is_left_out_with_a_warning(
    write, shipped: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (shipped / "base.yaml").write_text(BASE)
    write("loss: [\n", "experiments/broken.yaml")
    write("loss: a\nloss: b\n", "experiments/double.yaml")
    write("extends: nothing\n", "experiments/orphan.yaml")
    assert [one.name for one in list_experiments()] == ["base"]
    assert [message.splitlines()[1].strip() for message in caplog.messages] == [
        "experiments/broken.yaml:2: not YAML: expected the node content, but found '<stream end>'",
        "experiments/double.yaml:2: loss: duplicate key, in lines 1 and 2",
        "experiments/orphan.yaml:1: extends: there is no experiment 'nothing'; "
        "`ganlab experiments` lists the experiments",
    ]


def test_a_path_object_is_as_good_as_text(write) -> None:
    path: os.PathLike[str] = write(BASE)
    assert find_experiment(path) == path
