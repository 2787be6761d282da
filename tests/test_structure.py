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
