"""``make`` says in one line what is missing on a fresh machine."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
OLD = """#!/bin/sh
case "$2" in *version_info*) exit 1;; esac
echo "Python 3.9.2"
"""
NO_VENV = """#!/bin/sh
case "$2" in *ensurepip*) exit 1;; esac
"""


@pytest.mark.parametrize("target", ["run", "test"])
@pytest.mark.parametrize(
    ("script", "message"),
    [
        (
            OLD,
            "ganlab needs Python 3.11 or newer, {python} is 3.9.2: name a newer one with make "
            "PYTHON=/path/to/python3",
        ),
        (
            NO_VENV,
            "ganlab needs Python's venv module: on Debian and Ubuntu, apt install python3-venv",
        ),
        (
            None,
            "ganlab needs Python 3.11 or newer: install it, or name one with make "
            "PYTHON=/path/to/python3",
        ),
    ],
    ids=["old python", "no venv", "no python"],
)
def test_make_says_what_is_missing(
    tmp_path: Path, target: str, script: str | None, message: str
) -> None:
    python = tmp_path / "python3"
    if script is not None:
        python.write_text(script)
        python.chmod(0o755)
    result = subprocess.run(
        ["make", "--silent", target, f"PYTHON={python}", f"VENV={tmp_path / 'venv'}"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 2
    said, *rest = result.stderr.splitlines()
    assert said == message.format(python=python)
    assert len(rest) == 1  # make's own line, that the target failed
    assert not (tmp_path / "venv").exists()
