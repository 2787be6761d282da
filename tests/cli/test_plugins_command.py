from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from ganlab.plugins import Plugins
from tests.config.conftest import PARTS

BROKEN = "import nothing_of_this_name\n"
PLAIN = """\
from ganlab import Loss, hookimpl


class Mean(Loss):
    name = "mean"


@hookimpl
def register_losses():
    return [Mean]
"""


@pytest.fixture
def parts(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Plugins:
    """One that loads, one that fails and one that is blocked."""
    for name, text in (("listed_broken", BROKEN), ("listed_ok", PLAIN), ("listed_not", PLAIN)):
        Path(f"{name}.py").write_text(text)
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setenv("GANLAB_BLOCK_PLUGINS", "listed_not")
    monkeypatch.syspath_prepend(str(workplace))
    plugins = Plugins()
    plugins.load_folder(workplace)
    plugins.load_folder(PARTS)
    return plugins


def test_every_plugin_is_listed_with_what_became_of_it(call, workplace) -> None:
    parts = (
        "dataset: dots, lines; generator: net; discriminator: critic; conditioning: beside, film, "
        "multi, none, product, wrapped; loss: hinge, square; regularizer: penalty; augmentation: "
        "shift; callback: watch"
    )
    failed = "ModuleNotFoundError: No module named 'nothing_of_this_name' (line 1)"
    rows = [
        ("name", "components", "source", "status"),
        ("listed_broken", "-", f"{workplace}/listed_broken.py", failed),
        ("listed_not", "-", f"{workplace}/listed_not.py", "blocked"),
        ("listed_ok", "loss: mean", f"{workplace}/listed_ok.py", "loaded"),
        ("config_parts", parts, f"{PARTS}/config_parts.py", "loaded"),
    ]
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    lines = ["  ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)).rstrip() for r in rows]
    result = call("plugins")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == lines


def test_json_has_the_same(call, workplace) -> None:
    records = json.loads(call("plugins", "--json").stdout)
    assert [record["name"] for record in records] == [
        "listed_broken",
        "listed_not",
        "listed_ok",
        "config_parts",
    ]
    assert records[2] == {
        "name": "listed_ok",
        "components": {"loss": ["mean"]},
        "source": f"{workplace}/listed_ok.py",
        "file": f"{workplace}/listed_ok.py",
        "status": "loaded",
    }
