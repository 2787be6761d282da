"""The shape of the code: layers, and a core that knows no component."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ganlab.plugins import load_plugins

REPOSITORY = Path(__file__).parents[1]
CORE = sorted((REPOSITORY / "ganlab").rglob("*.py"))


def nodes(kind: type[ast.AST]) -> Iterator[tuple[Path, ast.AST]]:
    for file in CORE:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, kind):
                yield file, node


def test_the_core_imports_no_plugin() -> None:
    imported = {
        name
        for _, node in nodes(ast.Import | ast.ImportFrom)  # type: ignore[arg-type]
        for name in [
            *(alias.name for alias in node.names),  # type: ignore[attr-defined]
            getattr(node, "module", None) or "",
        ]
    }
    assert len(imported) > 50
    assert not {name for name in imported if name.split(".")[0] in ("plugins", "ganlab_plugins")}


def test_no_string_in_the_core_is_the_name_of_a_component() -> None:
    names = {owner.component.name for owner in load_plugins().registered()}
    assert len(names) > 15
    found = {
        (file.name, node.value)  # type: ignore[attr-defined]
        for file, node in nodes(ast.Constant)
        if node.value in names  # type: ignore[attr-defined]
    }
    assert not found


def test_no_file_is_longer_than_400_lines() -> None:
    files = [*CORE, *(REPOSITORY / "plugins").rglob("*.py")]
    assert not {file.name for file in files if len(file.read_text().splitlines()) > 400}


def test_layers_hold() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    result = subprocess.run([lint, "--no-cache"], cwd=REPOSITORY, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout
    assert "1 kept, 0 broken" in result.stdout


@pytest.mark.slow
def test_the_cores_tests_pass_without_any_shipped_component() -> None:
    """Blocking a plugin is not importing its file: what holds without all holds without any one."""
    names = ",".join(name for name in load_plugins().plugins)
    tests = [
        str(REPOSITORY / "tests" / folder)
        for folder in ("config", "training", "core", "evaluation")
    ]
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-m", "not slow", *tests],
        cwd=REPOSITORY,
        env=os.environ | {"GANLAB_TEST_BLOCK": names},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout


def imports_of(file: Path) -> set[str]:
    """Return the modules of ganlab that a file imports anywhere, under TYPE_CHECKING too."""
    modules = {module_of(one) for one in CORE}
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in modules else node.module for name in names}
    return (found & modules) - {module_of(file)}


def module_of(file: Path) -> str:
    parts = file.relative_to(REPOSITORY).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_no_module_imports_itself_through_others() -> None:
    """Imports in functions and under TYPE_CHECKING count too."""
    graph = {module_of(file): imports_of(file) for file in CORE}
    # The package itself offers every name, and asks for a module only when a name is used.
    graph["ganlab"] = set()
    assert graph["ganlab.components"] >= {"ganlab.sites", "ganlab.step", "ganlab.types"}
    circles: list[list[str]] = []
    done: set[str] = set()

    def visit(module: str, path: list[str]) -> None:
        if module in path:
            circles.append(path[path.index(module) :])
        elif module not in done:
            for other in sorted(graph[module]):
                visit(other, [*path, module])
            done.add(module)

    for module in sorted(graph):
        visit(module, [])
    assert not circles


def test_nothing_imports_the_command_line_and_its_files_are_short() -> None:
    others = [file for file in CORE if module_of(file).split(".")[1:2] != ["cli"]]
    users = {module_of(file) for file in others if any("ganlab.cli" in m for m in imports_of(file))}
    assert users == {"ganlab.__main__"}
    lengths = {file.name: len(file.read_text().splitlines()) for file in CORE if file not in others}
    assert not {name: length for name, length in lengths.items() if length >= 150}
