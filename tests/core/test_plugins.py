"""Plugin files of the user's own: found, listed, used, isolated when they are broken."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from ganlab.components import KINDS
from ganlab.errors import PluginError
from ganlab.plugins import HOOK_OF_KIND, load_plugins
from tests.training.helpers import only_run

TINY = Path(__file__).parents[1] / "tiny_plugins" / "tiny.py"
Ganlab = Callable[..., Result]
Write = Callable[..., Path]
PluginFile = Callable[[str, str], Path]

SCALED = """
    from torch import nn
    from ganlab import Conditioning, Embed, hookimpl

    class Head(nn.Module):
        def __init__(self, features, plain, num_classes):
            super().__init__()
            self.plain, self.embed = plain, Embed(num_classes, features)

        def forward(self, h, y):
            return self.plain(h).flatten() + (self.embed(y) * h).sum(1)

    class Scaled(Conditioning):
        name = "NAME"
        scale: float = 1.0

        def latent(self, z_dim, spec):
            module = Join()
            module.out_features = z_dim + 1
            return module

        def head(self, features, plain, spec):
            return Head(features, plain, spec.num_classes)

    class Join(nn.Module):
        def forward(self, z, y):
            import torch
            return torch.cat([z, y[:, None].to(z.dtype)], 1)

    @hookimpl
    def register_conditionings():
        return [Scaled]
"""


@pytest.fixture
def plugin_file(workplace: Path) -> PluginFile:
    """Write a file into ./plugins."""

    def write(name: str, text: str) -> Path:
        (workplace / "plugins").mkdir(exist_ok=True)
        path = workplace / "plugins" / name
        path.write_text(textwrap.dedent(text))
        return path

    return write


def test_a_file_dropped_into_plugins_is_listed_trains_and_is_copied_into_the_run(
    plugin_file: PluginFile,
    ganlab: Ganlab,
    write_experiment: Write,
    workplace: Path,
) -> None:
    file = plugin_file("drop_in_one.py", SCALED.replace("NAME", "drop-in-one"))
    listed = json.loads(ganlab("plugins", "--json").stdout)
    (row,) = (row for row in listed if row["name"] == "drop_in_one")
    assert (row["source"], row["status"]) == (str(file), "loaded")
    exp = write_experiment(
        sections={"conditioning": {"type": "drop-in-one", "scale": 0.5}}, steps=2
    )
    result = ganlab("run", exp)
    assert result.exit_code == 0, result.output
    run = only_run(workplace)
    assert (run / "plugins" / "drop_in_one.py").read_text() == file.read_text()
    recorded = json.loads((run / "run.json").read_text())["plugins"]["conditioning/drop-in-one"]
    assert (recorded["source"], recorded["local"]) == (str(file), True)


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("broken_import.py", "import not_a_module", "ModuleNotFoundError: No module named "),
        ("broken_syntax.py", "def f(:", "SyntaxError: invalid syntax"),
        ("broken_exit.py", "raise SystemExit('no licence')", "SystemExit: no licence (line 1)"),
        (
            "broken_hook.py",
            "from ganlab import hookimpl\n@hookimpl\ndef register_conditoning(): return []",
            "PluginError: there is no hook 'register_conditoning'; did you mean "
            "'register_conditionings'?",
        ),
        (
            "broken_list.py",
            "from ganlab import hookimpl\n@hookimpl\ndef register_losses(): return ['hinge']",
            "PluginError: register_losses() must return a list of classes derived from Loss: "
            "'hinge'",
        ),
        (
            "broken_name.py",
            "from ganlab import Loss, hookimpl\nclass L(Loss): pass\n"
            "@hookimpl\ndef register_losses(): return [L]",
            "PluginError: L has no `name`",
        ),
        (
            "broken_option.py",
            "from ganlab import Conditioning\nclass C(Conditioning):\n"
            "    name = 'c'\n    head: float = 1.0\n",
            "TypeError: C.head: an option may not have the name of Conditioning.head; rename it",
        ),
        ("json.py", "", "PluginError: another module is called 'json'; rename json.py"),
    ],
)
@pytest.mark.filterwarnings("ignore:Field name:UserWarning")
def test_a_broken_file_is_reported_stops_run_and_nothing_else(
    plugin_file: PluginFile,
    ganlab: Ganlab,
    write_experiment: Write,
    workplace: Path,
    name: str,
    text: str,
    reason: str,
) -> None:
    file = plugin_file(name, text)
    sys.modules.pop(file.stem, None) if file.stem != "json" else None
    exp = write_experiment(steps=2)
    checked = ganlab("check", exp)
    assert checked.exit_code == 0
    assert checked.stderr.startswith(f"warning: {file} did not load: {reason}")
    assert checked.stderr.count("\n") == 1
    sys.modules.pop(file.stem, None) if file.stem != "json" else None
    result = ganlab("run", exp)
    assert result.exit_code == 3
    last = result.stderr.splitlines()[-1]
    assert last.startswith(f"Error: {file} did not load: {reason}")
    assert last.endswith(f"; mend it, move it away, or set GANLAB_BLOCK_PLUGINS={file.stem}")
    assert not (workplace / "runs").exists()


def test_two_components_of_one_name_are_an_error_that_names_both_files(
    plugin_file: PluginFile,
    ganlab: Ganlab,
    write_experiment: Write,
    workplace: Path,
) -> None:
    first = plugin_file("twin_one.py", SCALED.replace("NAME", "twin"))
    second = plugin_file("twin_two.py", SCALED.replace("NAME", "twin"))
    result = ganlab("run", write_experiment(sections={"conditioning": "twin"}))
    assert result.exit_code == 3
    assert result.stderr == (
        f"Error: conditioning 'twin' comes from two plugins: twin_one ({first}) and "
        f"twin_two ({second}); block or rename one\n"
    )
    assert not (workplace / "runs").exists()


def test_a_clash_harms_only_experiments_that_use_the_name(
    plugin_file: PluginFile, ganlab: Ganlab, write_experiment: Write
) -> None:
    plugin_file("twin_three.py", SCALED.replace("NAME", "twin-three"))
    plugin_file("twin_four.py", SCALED.replace("NAME", "twin-three"))
    assert ganlab("run", write_experiment(steps=1)).exit_code == 0


def test_the_block_list_keeps_a_file_from_being_executed(
    plugin_file: PluginFile, ganlab: Ganlab, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin_file("blocked_one.py", "raise RuntimeError('executed')")
    monkeypatch.setenv("GANLAB_BLOCK_PLUGINS", "blocked_one")
    result = ganlab("plugins", "--json")
    (row,) = (r for r in json.loads(result.stdout) if r["name"] == "blocked_one")
    assert row["status"] == "blocked"
    assert result.stderr == ""


def test_the_allow_list_loads_built_ins_and_what_it_names(
    plugin_file: PluginFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin_file("allowed_one.py", SCALED.replace("NAME", "allowed-one"))
    plugin_file("allowed_two.py", SCALED.replace("NAME", "allowed-two"))
    monkeypatch.setenv("GANLAB_LOAD_PLUGINS", "allowed_two")
    plugins = load_plugins()
    assert plugins.plugins["allowed_one"].status == "blocked"
    assert "allowed-two" in plugins.names("conditioning")
    monkeypatch.setenv("GANLAB_LOAD_PLUGINS", "allowed_tow")
    with pytest.raises(PluginError) as error:
        load_plugins()
    assert str(error.value) == (
        "GANLAB_LOAD_PLUGINS: there is no plugin 'allowed_tow'; did you mean 'allowed_two'?"
    )


def test_strict_mode_raises_what_a_plugin_raises(
    plugin_file: PluginFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin_file("strict_one.py", "1 / 0")
    monkeypatch.setenv("GANLAB_STRICT_PLUGINS", "1")
    with pytest.raises(ZeroDivisionError):
        load_plugins()


def test_a_missing_plugins_dir_is_an_error(ganlab: Ganlab) -> None:
    result = ganlab("plugins", "--plugins-dir", "nowhere")
    assert (result.exit_code, result.stderr) == (
        2,
        "Error: --plugins-dir nowhere: there is no such folder\n",
    )


def test_every_kind_has_its_hook() -> None:
    from ganlab import hookspecs

    assert len(KINDS) == 10
    for hook in HOOK_OF_KIND.values():
        assert hasattr(hookspecs, hook)


def test_a_command_of_a_plugin_is_listed_and_runs(plugin_file: PluginFile, ganlab: Ganlab) -> None:
    plugin_file(
        "commanding.py",
        """
        import click
        from ganlab import hookimpl

        @click.command()
        def hello():
            "Say hello."
            click.echo("hello")

        @hookimpl
        def register_commands(cli):
            cli.add_command(hello)
        """,
    )
    assert ganlab("hello").output == "hello\n"
    assert "hello  Say hello." in ganlab("--help").output


def test_observers_see_a_run_from_start_to_end(
    plugin_file: PluginFile,
    ganlab: Ganlab,
    write_experiment: Write,
    workplace: Path,
) -> None:
    plugin_file(
        "watching.py",
        """
        from ganlab import hookimpl

        def note(run, text):
            with (run.path / "notes.txt").open("a") as file:
                print(text, file=file)

        @hookimpl
        def on_run_start(run):
            note(run, "start")

        @hookimpl
        def on_step_end(run, step, losses):
            note(run, f"step {step} {float(losses['loss_d']) > 0}")

        @hookimpl
        def on_log(run, records):
            note(run, f"log {[record['step'] for record in records]}")

        @hookimpl
        def on_run_end(run, error):
            note(run, f"end {error}")
        """,
    )
    assert ganlab("run", write_experiment(steps=3)).exit_code == 0
    run = only_run(workplace)
    assert (run / "notes.txt").read_text().splitlines() == [
        "start",
        "step 1 True",
        "step 2 True",
        "log [1, 2]",
        "step 3 True",
        "log [3]",
        "end None",
    ]
    assert (run / "plugins" / "watching.py").exists()


def test_a_packaged_plugin_is_found_by_its_entry_point(workplace: Path) -> None:
    """A distribution as pip leaves it on the path: a module and its metadata."""
    site = workplace / "site"
    info = site / "ganlab_packaged-1.2.dist-info"
    info.mkdir(parents=True)
    (site / "ganlab_packaged.py").write_text(textwrap.dedent(SCALED.replace("NAME", "packaged")))
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: ganlab-packaged\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text("[ganlab]\npackaged = ganlab_packaged\n")
    shutil.copy(TINY, workplace / "tiny.py")
    code = "from ganlab.cli import main; main()"
    result = subprocess.run(
        [sys.executable, "-c", code, "show", "conditioning", "packaged", "--json"],
        cwd=workplace,
        env={"PYTHONPATH": str(site), "PATH": "/usr/bin:/bin", "HOME": str(workplace)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["source"] == "ganlab-packaged 1.2"
