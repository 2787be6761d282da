"""The page and the notebook about Python run from top to bottom."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

DOCS = Path(__file__).parents[1] / "docs"


def test_the_python_page_runs_from_top_to_bottom(
    workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / "python.md").read_text(), re.DOTALL)
    assert len(blocks) > 6
    small = {"epochs=2": "steps=4", "quick": "quick"}
    Path("my_plugins").mkdir()
    names: dict[str, Any] = {}
    for block in blocks:
        code = block
        for long, short in small.items():
            code = code.replace(long, short)
        code = code.replace("sheet(1)", "sheet(0)")
        exec(compile(code, "python.md", "exec"), names)
    assert names["images"].shape == (3, 1, 32, 32)
    assert names["sevens"].shape == (10, 1, 32, 32)
    assert names["run"].path.parent == Path("elsewhere/runs/cgan_digits")
    printed = capsys.readouterr().out
    assert "Run('cgan_digits/" in printed
    assert str(names["board"]) in printed


@pytest.mark.slow
def test_the_notebook_runs_from_top_to_bottom(workplace: Path) -> None:
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(DOCS / "notebook.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)  # none is kept in the file
    resources = {"metadata": {"path": str(workplace)}}
    NotebookClient(notebook, timeout=600, resources=resources).execute()
    shown = [
        output["data"]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if output["output_type"] == "execute_result"
    ]
    assert sum("image/png" in data for data in shown) == 3
    assert "finished" in shown[0]["text/html"]
    board = next(d["text/html"] for d in shown if "concat" in d.get("text/html", ""))
    assert "none" in board
