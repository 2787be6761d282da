"""Drawing from a run: reproducible, by epoch, without dataset, leaving no trace."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import Result
from PIL import Image

import ganlab as package
from ganlab.errors import PluginError, RunError
from ganlab.plugins import Plugins
from ganlab.sampling import Trained
from ganlab.training.generate import noise
from tests.training.helpers import TINY, only_run

Write = Callable[..., Path]
Ganlab = Callable[..., Result]


@pytest.fixture
def run(write_experiment: Write, ganlab: Ganlab, workplace: Path) -> Path:
    assert ganlab("run", write_experiment(steps=12)).exit_code == 0
    return only_run(workplace)


def opened(run: Path) -> Trained:
    plugins = Plugins()
    plugins.load_folder(TINY)
    return package.load(run, plugins=plugins)


def test_labels_and_seed_give_the_same_images_every_time(run: Path) -> None:
    trained = opened(run)
    images = trained.sample([0, 1, 2, 3, 0], seed=7)
    assert (images.dtype, images.shape) == (torch.uint8, (5, 1, 16, 16))
    assert torch.equal(images, opened(run).sample(torch.tensor([0, 1, 2, 3, 0]), seed=7))
    assert not torch.equal(images, trained.sample([0, 1, 2, 3, 0], seed=8))
    assert not torch.equal(images[0], trained.sample([1, 1], seed=7)[0])


def test_soft_labels_mix_classes(run: Path) -> None:
    rows = torch.tensor([[1.0, 0, 0, 0], [0.5, 0.5, 0, 0]])
    images = opened(run).sample(rows, seed=1)
    hard = opened(run).sample([0, 0], seed=1)
    assert torch.equal(images[0], hard[0])
    assert not torch.equal(images[1], hard[1])


def test_every_epoch_can_be_restored_and_an_unknown_one_is_refused(run: Path) -> None:
    trained = opened(run)
    assert trained.epochs == [0, 1, 2]
    by_epoch = [trained.sample([0, 1], epoch=epoch) for epoch in trained.epochs]
    assert not torch.equal(by_epoch[0], by_epoch[2])
    with pytest.raises(RunError, match=r"keeps no weights of epoch 9; kept: 0, 1, 2$"):
        trained.sample([0], epoch=9)


def test_averaged_weights_are_used_if_there_are_any(run: Path) -> None:
    trained = opened(run)
    automatic, averaged, raw = (
        trained.sample([0, 1, 2], weights=weights) for weights in ("auto", "ema", "raw")
    )
    assert torch.equal(automatic, averaged)
    assert not torch.equal(automatic, raw)


def test_batch_statistics_are_an_option_and_leave_the_network_as_it_is(run: Path) -> None:
    trained = opened(run)
    before = trained.network().state_dict()
    running, batch = (trained.sample([0, 1, 2, 3], bn=bn) for bn in ("running", "batch"))
    assert not torch.equal(running, batch)
    assert all(torch.equal(before[k], v) for k, v in trained.network().state_dict().items())


def test_the_network_is_a_copy_in_eval_mode_without_gradients(run: Path) -> None:
    trained = opened(run)
    before = trained.sample([0, 1, 2, 3])
    network = trained.network()
    assert not any(module.training for module in network.modules())
    assert not any(parameter.requires_grad for parameter in network.parameters())
    network.train()
    with torch.no_grad():
        for tensor in network.state_dict().values():
            tensor.fill_(7)
    network.register_forward_hook(lambda *_: torch.zeros(4, 1, 16, 16))
    assert torch.equal(before, trained.sample([0, 1, 2, 3]))
    assert not any(module.training for module in trained.network().modules())


def test_sampling_leaves_random_states_as_they_were(run: Path) -> None:
    trained = opened(run)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    trained.sample([0, 1])
    assert torch.equal(before, torch.get_rng_state())


def test_an_image_does_not_depend_on_how_many_are_drawn(run: Path) -> None:
    trained = opened(run)
    most = trained.sample([1] * 300, seed=-5).int()
    for n in (1, 2, 15, 16, 17, 255, 256, 257, 299):
        # Products of matrices round differently for another size of the batch.
        assert (trained.sample([1] * n, seed=-5).int() - most[:n]).abs().max() <= 1, n


def test_names_indices_and_single_labels_give_the_same_images(run: Path) -> None:
    trained = opened(run)
    z = noise(3, 4, 2)
    images = trained.sample([2, 0, 3], z=z)
    names = ["light", "dark", "bright"]
    for labels in (names, np.array(names), np.array([2, 0, 3], np.uint8), ["2", "dark", "3"]):
        assert torch.equal(images, trained.sample(labels, z=z.double().numpy()))
    for one in ("light", 2, np.int64(2), torch.tensor(2)):
        single = trained.sample(one, z=z[:1])
        assert single.shape == (1, 1, 16, 16)
        assert (single.int() - images[:1].int()).abs().max() <= 1


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        ([], {}, "there are no labels: give at least one"),
        (
            [0, 4],
            {},
            "label 4 is out of range: class indices go from 0 to 3 (dark, dim, light, bright)",
        ),
        ("lihgt", {}, "there is no class 'lihgt'; did you mean 'light'?"),
        (
            [0, 1],
            {"z": torch.zeros(3, 4)},
            "z has shape (3, 4); it must be (2, 4), a row each label",
        ),
        (0, {"z": torch.zeros(4)}, "z has shape (4,); it must be (1, 4), a row each label"),
        (0, {"z": np.zeros((1, 4), int)}, "z is int64; it must be floating point"),
        (0, {"z": torch.full((1, 4), torch.inf)}, "z has numbers that are not finite"),
        (0, {"bn": "bacth"}, "bn cannot be 'bacth'; did you mean 'batch'?"),
        (0, {"weights": "average"}, "weights cannot be 'average'; allowed: auto, ema, raw"),
        (0, {"epoch": "bets"}, "epoch 'bets' is neither a number of epochs nor 'best'"),
        (0, {"truncation": 0}, "truncation must be above 0, not 0"),
    ],
)
def test_what_cannot_be_sampled_is_refused_in_one_line(
    run: Path, labels: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(RunError) as raised:
        opened(run).sample(labels, **options)
    assert str(raised.value) == message


def test_the_default_sheet_has_a_class_a_row_and_the_same_noises_in_every_row(
    run: Path, ganlab: Ganlab, workplace: Path
) -> None:
    result = ganlab("sample", run)
    assert (result.exit_code, result.stdout) == (0, "exp-samples.png\n")
    with Image.open(workplace / "exp-samples.png") as picture:
        sheet = np.array(picture)
    cell = 16 + 2
    assert sheet.shape == (4 * cell + 2, 10 * cell + 2, 3)
    trained = opened(run)
    z = noise(10, 4, 0)
    for row in range(4):
        expected = trained.sample([row] * 10, z=z)
        for column in range(10):
            top, left = 2 + row * cell, 2 + column * cell
            shown = sheet[top : top + 16, left : left + 16, 0]
            assert np.array_equal(shown, expected[column, 0].numpy())


def test_one_class_by_name_and_single_files_in_class_folders(
    run: Path, ganlab: Ganlab, workplace: Path
) -> None:
    assert ganlab("sample", run, "--class", "light", "--n", 7, "-o", "out").exit_code == 0
    files = sorted((workplace / "out").rglob("*.png"))
    assert [file.parent.name for file in files] == ["light"] * 7
    with Image.open(files[0]) as picture:
        assert picture.size == (16, 16)
    assert ganlab("sample", run, "--class", 2, "--n", 7, "-o", "seven.png").exit_code == 0
    result = ganlab("sample", run, "--class", "lihgt")
    assert (result.exit_code, result.stderr) == (
        2,
        "Error: there is no class 'lihgt'; did you mean 'light'?\n",
    )


def test_a_run_is_found_by_its_experiments_name(run: Path, ganlab: Ganlab) -> None:
    assert ganlab("sample", "exp", "--n", 4).exit_code == 0
    result = ganlab("sample", "exq")
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: there is no run 'exq'; runs below runs: exp/")


def test_a_runs_own_plugin_copies_are_executed_only_when_trusted(
    workplace: Path, ganlab: Ganlab, write_experiment: Write
) -> None:
    folder = workplace / "plugins"
    folder.mkdir()
    file = folder / "keeping.py"
    text = (TINY / "tiny.py").read_text().replace('name = "tiny"', 'name = "keeping"')
    file.write_text(text + "\nPath('executed.txt').write_text('x')\n")
    names = ("dataset", "generator", "discriminator", "conditioning", "loss")
    sections = dict.fromkeys(names, "keeping")
    sections |= {"regularizers": [], "augmentations": [], "callbacks": []}
    assert ganlab("run", write_experiment(steps=2, sections=sections)).exit_code == 0
    run = only_run(workplace)
    shutil.rmtree(folder)
    (workplace / "executed.txt").unlink()
    sys.modules.pop("keeping")
    sys.path.remove(str(folder))
    result = ganlab("sample", run)
    assert result.exit_code == 3
    assert result.stderr.splitlines()[0] == (
        f"Error: {run.parent.name}/{run.name} was trained with plugin files of its own "
        f"(keeping.py): put them into ./plugins, or run the copies in {run / 'plugins'} with "
        "--trust-plugins"
    )
    assert not (workplace / "executed.txt").exists()
    assert ganlab("sample", run, "--trust-plugins").exit_code == 0
    assert (workplace / "executed.txt").exists()
    with pytest.raises(PluginError):
        package.load(run)


def test_trusted_copies_win_over_a_changed_file_and_a_change_is_mentioned(
    workplace: Path, ganlab: Ganlab, write_experiment: Write
) -> None:
    folder = workplace / "plugins"
    folder.mkdir()
    file = folder / "altered.py"
    file.write_text((TINY / "tiny.py").read_text().replace('name = "tiny"', 'name = "altered"'))
    names = ("dataset", "generator", "discriminator", "conditioning", "loss")
    sections = dict.fromkeys(names, "altered")
    sections |= {"regularizers": [], "augmentations": [], "callbacks": []}
    assert ganlab("run", write_experiment(steps=2, sections=sections)).exit_code == 0
    run = only_run(workplace)
    file.write_text(file.read_text().replace("torch.tanh", "torch.sigmoid"))
    code = "from ganlab.cli import main; main()"

    def sample(*options: str) -> tuple[bytes, str]:
        command = [sys.executable, "-c", code, "sample", str(run), "-o", "out.png", *options]
        result = subprocess.run(command, capture_output=True, text=True)
        assert result.returncode == 0, result.stderr
        return (workplace / "out.png").read_bytes(), result.stderr

    other, warning = sample()
    assert f"warning: generator/altered: {file} has changed since exp/{run.name} was trained" in (
        warning
    )
    trusted, _ = sample("--trust-plugins")
    assert trusted != other


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("7", "7"),
        ("cats & dogs", "cats & dogs"),
        ("ünï", "ünï"),
        ("../x", "class-3"),
        ("/tmp/x", "class-3"),
        ("..", "class-3"),
        (".", "class-3"),
        ("", "class-3"),
        ("a/b", "class-3"),
        ("x" * 300, "class-3"),
    ],
)
def test_a_class_name_never_leads_out_of_the_output_folder(name: str, folder: str) -> None:
    from ganlab.cli.sample import folder_name

    assert folder_name(name, 3) == folder


@pytest.mark.parametrize("name", ["", ".", "..", " "])
def test_a_name_that_names_nothing_is_refused(run: Path, ganlab: Ganlab, name: str) -> None:
    result = ganlab("sample", name)
    assert result.exit_code == 2
    assert f"'{name}' names no run" in result.stderr
