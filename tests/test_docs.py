"""The documentation is true: its code blocks run, its lists are complete."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import Result

Ganlab = Callable[..., Result]
REPOSITORY = Path(__file__).parents[1]
DOCS = REPOSITORY / "docs"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(autouse=True)
def _offline_and_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Download nothing, and leave no plugin of a page behind among the modules."""
    for name in ("https_proxy", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield
    for name, module in [*sys.modules.items()]:
        if str(getattr(module, "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


def blocks(page: Path) -> Iterator[tuple[str, str]]:
    """Yield (language, text) of every code block of a page."""
    for match in BLOCK.finditer(page.read_text()):
        yield match[1], match[2]


def execute(page: Path, workplace: Path, ganlab: Ganlab) -> list[str]:
    """Write a page's files and run its commands, in order; return the commands that ran.

    What a process of its own would only start more slowly runs in this one, until a package is
    installed, which this one would not see.
    """
    ran = []
    installed = False
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(workplace / "site"), os.environ.get("PYTHONPATH", "")]),
        "PYTEST_PLUGINS": "ganlab.testing.fixtures",  # what an installed ganlab says itself
        "OMP_NUM_THREADS": "1",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    for language, text in blocks(page):
        if language in ("python", "yaml", "toml"):
            file = workplace / text.splitlines()[0].removeprefix("# ")
            assert file.suffix in (".py", ".yaml", ".toml"), f"name the file: {text[:60]}"
            file.parent.mkdir(exist_ok=True)
            file.write_text(text)
            continue
        expected: dict[str, list[str]] = {}
        for line in text.splitlines():
            if line.startswith("$ "):
                command = line.removeprefix("$ ")
                expected[command] = []
            else:
                expected[command].append(line)
        for command, output in expected.items():
            if command.startswith("pip install"):
                _install(workplace, environment)
                installed = True
                continue
            program, *arguments = shlex.split(command)
            if program == "ganlab" and not installed:
                printed = _run(ganlab, *arguments)
            else:
                result = subprocess.run(
                    [program, *arguments],
                    cwd=workplace,
                    env=environment,
                    capture_output=True,
                    text=True,
                )
                assert result.returncode == 0, (command, result.stderr)
                printed = result.stdout
            for line in output:
                assert line in printed.splitlines(), (command, printed)
            ran.append(command)
    return ran


def _install(workplace: Path, environment: dict[str, str]) -> None:
    """Install the tutorial's package, by pip and without the network, into a folder of its own."""
    file = workplace / "plugins" / "offset.py"
    shutil.move(file, workplace / "package" / "ganlab_offset.py")
    arguments = ["--quiet", "--no-deps", "--no-build-isolation", "--target", "site", "./package"]
    subprocess.run(
        [sys.executable, "-m", "pip", "install", *arguments],
        cwd=workplace,
        env=environment | {"PYTHONPATH": ""},
        check=True,
    )


def test_the_tutorial_runs_from_top_to_bottom(workplace: Path, ganlab: Ganlab) -> None:
    ran = execute(DOCS / "plugins.md", workplace, ganlab)
    assert len(ran) == 14
    folders = {file.parent.name for file in workplace.glob("runs/offset/*/curves.png")}
    assert len(folders) == 5
    (table,) = workplace.glob("runs/offset/*/losses.csv")
    assert len(table.read_text().splitlines()) == 20
    copied, *_ = workplace.glob("runs/offset/*/plugins/offset.py")
    assert copied.read_text().startswith("# plugins/offset.py")
    listed = subprocess.run(
        [sys.executable, "-m", "ganlab", "plugins"],
        cwd=workplace,
        env=os.environ | {"PYTHONPATH": str(workplace / "site")},
        capture_output=True,
        text=True,
    ).stdout
    assert re.search(r"offset +conditioning: offset +ganlab-offset 0\.1 +loaded", listed)


def test_the_tutorials_scheme_has_fewer_than_30_lines_of_code() -> None:
    text = next(text for language, text in blocks(DOCS / "plugins.md") if language == "python")
    without_docs = re.sub(r'""".*?"""', "", text, flags=re.DOTALL)
    code = [line for line in without_docs.splitlines()[1:] if line.strip()]
    assert len(code) < 30


def test_the_readmes_commands_and_code_run(workplace: Path, ganlab: Ganlab) -> None:
    small = ["-s", "generator.width=4", "-s", "discriminator.width=4"]
    small += ["-s", "dataset.fallback_images=128"]
    commands = [
        shlex.split(line.partition("#")[0])
        for language, text in blocks(REPOSITORY / "README.md")
        if language == "sh"
        for line in text.splitlines()
        if line.startswith("ganlab ")
    ]
    assert len(commands) == 11
    for _, *arguments in commands:
        if arguments[0] == "run":
            arguments += small
        if arguments[0] == "sweep":
            arguments += [*small, "-s", "train.steps=2", "-s", "eval.metrics=[fid, cond-acc]"]
        if arguments[0] == "eval":
            arguments += ["--samples", "64", "--seeds", "1"]
        _run(ganlab, *arguments)
    for language, text in blocks(REPOSITORY / "README.md"):
        if language == "yaml":
            (workplace / "readme.yaml").write_text(text)
            _run(ganlab, "check", "readme.yaml")
        if language == "python":
            code = f"{text}\nassert images.shape == (5, 1, 64, 64), images.shape"
            subprocess.run([sys.executable, "-c", code], cwd=workplace, check=True)
    assert (workplace / "sevens.png").exists()
    assert (workplace / "board.html").exists()


def test_the_evaluation_page_shows_files_that_are_valid(workplace: Path, ganlab: Ganlab) -> None:
    files = [text for language, text in blocks(DOCS / "evaluation.md") if language == "yaml"]
    for text in files:
        (workplace / text.splitlines()[0].removeprefix("# ")).write_text(text)
    assert "every: 10 epochs" in _run(ganlab, "check", "scored.yaml")
    assert len(_run(ganlab, "sweep", "sweep.yaml", "--dry-run").splitlines()) == 1 + 4 * 3


def test_the_experiments_page_shows_a_file_that_is_valid(workplace: Path, ganlab: Ganlab) -> None:
    (text,) = (text for language, text in blocks(DOCS / "experiments.md") if language == "yaml")
    (workplace / "base.yaml").write_text("train: {z_dim: 64}\n")
    (workplace / "page.yaml").write_text(text)
    assert "z_dim: 64" in _run(ganlab, "check", "page.yaml")
    written = re.findall(r"`-s '?([a-z][^`]+?)'?`", (DOCS / "experiments.md").read_text())
    written.remove("a.b=VALUE")
    assert len(written) >= 5
    for override in written:
        _run(ganlab, "check", "page.yaml", "-s", override)


def _run(ganlab: Ganlab, *arguments: str) -> str:
    """Run the command line, and return what it printed."""
    result = ganlab(*arguments, tiny=False)
    assert result.exit_code == 0, (arguments, result.stderr)
    return result.stdout


def test_the_readmes_commands_are_real() -> None:
    from ganlab.cli.group import COMMANDS

    text = (REPOSITORY / "README.md").read_text()
    named = set(re.findall(r"\bganlab ([a-z]+)\b", "\n".join(re.findall(r"`+([^`]+)`+", text))))
    assert {"run", "sample", "check"} <= named <= set(COMMANDS)
    makefile = (REPOSITORY / "Makefile").read_text()
    for target in re.findall(r"\bmake ([a-z-]+)", text):
        assert f"\n{target}:" in makefile


def test_every_hook_and_kind_is_in_the_tutorial() -> None:
    from ganlab import hookspecs
    from ganlab.components import KINDS

    text = (DOCS / "plugins.md").read_text()
    hooks = [name for name in vars(hookspecs) if name.startswith(("register_", "on_"))]
    assert len(hooks) == 16
    assert not [hook for hook in hooks if hook not in text]
    assert not [kind for kind in KINDS if f"| {kind} |" not in text]


def test_links_lead_somewhere() -> None:
    for page in [*DOCS.glob("*.md"), REPOSITORY / "README.md"]:
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
            if not target.startswith(("http:", "https:")):
                assert (page.parent / target).exists(), (page.name, target)


@pytest.mark.parametrize("page", ["cli.md", "components.md"])
def test_generated_pages_are_up_to_date(page: str) -> None:
    sys.path.insert(0, str(DOCS))
    try:
        import generate
    finally:
        sys.path.remove(str(DOCS))
    assert (DOCS / page).read_text() == generate.PAGES[page](), "run `make docs`"
