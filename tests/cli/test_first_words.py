"""Commands answer mistakes and list plugins without importing torch, and with one exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Ganlab = Callable[..., Result]

WITHOUT_TORCH = """\
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            raise AssertionError("torch is imported")

if sys.argv.pop(1) == "refuse":
    sys.meta_path.insert(0, Refuse())
from ganlab.cli import main
main()
"""
BROKEN = "dataset: digits\nlos: hinge\ntrain: {epoch: 2}\noptimizer: {lrr: 1}\n"
USAGE = "Usage: ganlab {0}\nTry 'ganlab {1}--help' for help.\n\n"
RUN = USAGE.format("run [OPTIONS] EXPERIMENT", "run ")
GROUP = USAGE.format("[OPTIONS] COMMAND [ARGS]...", "")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder that holds the catalog of the shipped plugins."""
    folder = tmp_path_factory.mktemp("catalog")
    done = call("torch", ["extractor", "list"], folder, folder)
    assert done.returncode == 0, done.stderr
    return folder


def call(
    torch: str, arguments: list[str], cache: Path, cwd: Path
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, torch, *arguments],
        cwd=cwd,
        env={**os.environ, "GANLAB_CACHE": str(cache)},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ("swep", f"{GROUP}Error: there is no command 'swep'; did you mean 'sweep'?\n"),
        ("sample nope", "Error: there is no run 'nope'; runs below runs: none yet\n"),
        ("eval nope", "Error: there is no run 'nope'; runs below runs: none yet\n"),
        ("eval -m fdi", "Error: there is no metric 'fdi'; did you mean 'fjd'?\n"),
        ("show loss hing", "Error: there is no loss 'hing'; did you mean 'hinge'?\n"),
        (
            "new loss hinge",
            "Error: there is a loss 'hinge' already (built in): choose another name\n",
        ),
        (
            "extractor train digitz",
            "Error: there is no dataset 'digitz'; did you mean 'digits'?\n",
        ),
        ("plugins --plugins-dir nope", "Error: --plugins-dir nope: there is no such folder\n"),
        (
            "run missing.yaml",
            "Error: there is no experiment 'missing.yaml'; `ganlab experiments` lists the "
            "experiments\n",
        ),
        (
            "sweep syntax.yaml",
            "Error: 1 problem in syntax.yaml\n  syntax.yaml:2: not YAML: expected ',' or ']', but "
            "got '<stream end>'\n",
        ),
        ("run broken.yaml --epochs 3", f"{RUN}Error: there is no option '--epochs': write -s "
         "train.epochs=3\n"),
        ("run broken.yaml --seed=7", f"{RUN}Error: there is no option '--seed': write -s "
         "train.seed=7\n"),
        ("run broken.yaml --batch-size 8", f"{RUN}Error: there is no option '--batch-size': write "
         "-s train.batch_size=8\n"),
        ("run broken.yaml --lr 1e-4", f"{RUN}Error: there is no option '--lr': write -s "
         "optimizer.lr=1e-4\n"),
        ("run broken.yaml --resume", f"{RUN}Error: there is no option '--resume': repeat the "
         "command: a run continues by itself\n"),
        ("run broken.yaml --tags a", f"{RUN}Error: there is no option '--tags': write -s name=NAME "
         "to give the run another folder\n"),
        ("run broken.yaml --frehs", f"{RUN}Error: there is no option '--frehs'; did you mean "
         "'--fresh'?\n"),
        ("run broken.yaml train.epochs=2", f"{RUN}Error: unexpected argument 'train.epochs=2': "
         "write -s train.epochs=2\n"),
    ],
)  # fmt: skip
def test_a_mistake_is_answered_without_torch_and_exits_with_2(
    cache: Path, tmp_path: Path, arguments: str, error: str
) -> None:
    (tmp_path / "broken.yaml").write_text(BROKEN)
    (tmp_path / "syntax.yaml").write_text("dataset: [digits\n")
    done = call("refuse", arguments.split(), cache, tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", error)


@pytest.mark.parametrize("arguments", ["plugins", "show metric fid", "extractor list", "--help"])
def test_a_listing_is_the_same_without_torch(cache: Path, tmp_path: Path, arguments: str) -> None:
    fast = call("refuse", arguments.split(), cache, tmp_path)
    full = call("torch", arguments.split(), tmp_path / "empty", tmp_path)
    assert (fast.returncode, fast.stderr) == (0, "")
    assert fast.stdout == full.stdout


@pytest.mark.parametrize("command", ["run", "sweep", "check", "bench"])
def test_every_command_on_an_experiment_refuses_unknown_names_alike(
    cache: Path, tmp_path: Path, command: str
) -> None:
    grid = "sweep: {train.seed: [0, 1]}\n" if command == "sweep" else ""
    (tmp_path / "broken.yaml").write_text(BROKEN + grid)
    done = call("refuse", [command, "broken.yaml"], cache, tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    lines = done.stderr.splitlines()
    assert lines[0] == "Error: 8 problems in broken.yaml"
    assert lines[1].startswith("  broken.yaml:1: generator: is missing; name one of: biggan, ")
    assert lines[2].startswith("  broken.yaml:1: discriminator: is missing; name one of: biggan, ")
    assert lines[3].startswith("  broken.yaml:1: conditioning: is missing; name one or more of: ")
    assert lines[4:] == [
        lines[4],
        "  broken.yaml:2: los: there is no section 'los'; did you mean 'loss'?",
        "  broken.yaml:3: train: has no budget; set at least one of: epochs, images, steps, "
        "seconds",
        "  broken.yaml:3: train.epoch: 'train' has no option 'epoch'; did you mean 'epochs'?",
        "  broken.yaml:4: optimizer.lrr: 'adam' has no option 'lrr'; did you mean 'lr'?",
    ]
    assert lines[4].startswith("  broken.yaml:1: loss: is missing; name one of: bce, ")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["plugins"], 0),
        (["run", "missing.yaml"], 2),
        (["run", "exp.yaml", "--frehs"], 2),
        (["sample", "nope"], 2),
        (["eval", "nope"], 2),
        (["eval"], 2),
        (["show", "los"], 2),
        (["show", "loss", "hing"], 2),
        (["new", "los", "x"], 2),
        (["extractor", "lst"], 2),
        (["extractor", "train", "digitz"], 2),
        (["schema", "--nope"], 2),
        (["check"], 2),
        (["bench", "missing.yaml"], 2),
        (["sweep", "exp.yaml"], 2),
    ],
)
def test_what_the_user_wrote_wrongly_exits_with_2(
    ganlab: Ganlab, write_experiment: Callable[..., Path], arguments: list[str], code: int
) -> None:
    write_experiment()
    assert ganlab(*arguments).exit_code == code


def test_a_broken_plugin_of_the_user_exits_with_3(
    ganlab: Ganlab, write_experiment: Callable[..., Path], workplace: Path
) -> None:
    experiment = write_experiment()
    (workplace / "plugins").mkdir()
    file = workplace / "plugins" / f"broken_{workplace.name}.py"
    file.write_text("import nothing_of_this_name\n")
    error = "ModuleNotFoundError: No module named 'nothing_of_this_name' (line 1)"
    for _ in range(2):  # the second time from the catalog
        result = ganlab("run", experiment)
        assert (result.exit_code, result.stdout) == (3, "")
        assert result.stderr == (
            f"warning: {file} did not load: {error}\n"
            f"Error: {file} did not load: {error}; mend it, move it away, or set "
            f"GANLAB_BLOCK_PLUGINS={file.stem}\n"
        )
