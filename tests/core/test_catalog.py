"""The catalog is read back as it was kept, and never after something that could change it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ganlab import components
from ganlab.catalog import store
from ganlab.catalog.catalog import KINDS, Catalog, Entry, Sections
from ganlab.plugin_files import Plugin, fingerprint

PLUGIN = Plugin("mine", "/here/mine.py", Path("/here/mine.py"), status="ImportError: no")
CATALOG = Catalog(
    plugins=[Plugin("shipped", "built in"), PLUGIN],
    entries=[Entry(PLUGIN, {"kind": "loss", "name": "mean", "doc": "A mean."}, {"scale": None})],
    sections=Sections({"ema": {"decay": None}}, {"every": None}, {"adam": {"lr": None}}),
    commands=["extra"],
)


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GANLAB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "catalog"


def test_the_kinds_are_those_of_the_components() -> None:
    assert tuple(components.KINDS) == KINDS


def test_a_catalog_is_read_back_as_it_was_kept(own_cache: Path) -> None:
    assert store.read("a" * 64) is None
    store.keep("a" * 64, CATALOG)
    assert store.read("a" * 64) == CATALOG
    assert store.read("b" * 64) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"plugins": [{"nme": 1}]}', "\ufffd"])
def test_a_damaged_catalog_counts_as_missing(own_cache: Path, text: str) -> None:
    store.keep("a" * 64, CATALOG)
    (file,) = own_cache.iterdir()
    file.write_text(text)
    assert store.read("a" * 64) is None


def test_a_cache_that_cannot_be_written_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GANLAB_CACHE", str(tmp_path / "file" / "cache"))
    store.keep("a" * 64, CATALOG)
    assert store.read("a" * 64) is None


def test_plugin_files_and_their_neighbours_change_the_fingerprint(workplace: Path) -> None:
    folder = workplace / "more"
    package = folder / "inner"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    seen = {fingerprint([])}
    for file in (folder / "mine.py", folder / "_private.py", package / "deep.py"):
        for text in ("a = 1\n", "a = 2\n"):
            file.write_text(text)
            seen.add(fingerprint([folder]))
    (workplace / "plugins").mkdir()
    (workplace / "plugins" / "local.py").write_text("")
    seen.add(fingerprint([folder]))
    assert len(seen) == 8
    os.utime(folder / "mine.py")
    assert fingerprint([folder]) in seen


@pytest.mark.parametrize("what", ["python", "variable", "package", "entry point"])
def test_versions_variables_and_packages_change_the_fingerprint(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    site = workplace / "site"
    (site / "other-1.0.dist-info").mkdir(parents=True)
    monkeypatch.syspath_prepend(str(site))
    before = fingerprint([])
    assert fingerprint([]) == before
    if what == "python":
        monkeypatch.setattr("platform.python_version", lambda: "3.99.0")
    elif what == "variable":
        monkeypatch.setenv("GANLAB_BLOCK_PLUGINS", "mine")
    elif what == "package":
        (site / "other-1.0.dist-info").rename(site / "other-1.1.dist-info")
    else:
        info = site / "other-1.0.dist-info"
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[ganlab]\nother = other_plugin\n")
    assert fingerprint([]) != before


def test_a_file_of_an_installed_plugin_package_changes_the_fingerprint(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = workplace / "site"
    info = site / "other-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[ganlab]\nother = other_plugin.losses\n")
    package = site / "other_plugin"
    package.mkdir()
    (package / "__init__.py").write_text("raise AssertionError('imported')\n")
    (package / "losses.py").write_text("")
    monkeypatch.syspath_prepend(str(site))
    before = fingerprint([])
    (package / "losses.py").write_text("a = 1\n")
    assert fingerprint([]) != before
