"""The cache returns what was stored, notices damage, and stops nobody."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from ganlab.data.cache import cache_dir
from ganlab.data.prepare import prepare
from tests.data.given import given, numbered


def entry_of(cache: Path) -> Path:
    (entry,) = (cache / "datasets").iterdir()
    return entry


def cut(entry: Path) -> None:
    entry.write_bytes(entry.read_bytes()[:-10])


def change_a_pixel(entry: Path) -> None:
    data = bytearray(entry.read_bytes())
    data[-100] ^= 1
    entry.write_bytes(bytes(data))


def empty(entry: Path) -> None:
    entry.write_bytes(b"")


def test_the_second_call_returns_the_same_from_the_cache(cache: Path) -> None:
    dataset = given(numbered(6), [0, 1, 2, 0, 1, 2], names=("ä", "b/c", "d e"), image_size=16)
    first = prepare(dataset)
    written = entry_of(cache).stat().st_mtime_ns
    second = prepare(dataset)
    assert torch.equal(first.images, second.images)
    assert torch.equal(first.labels, second.labels)
    assert (second.spec, second.sha256, second.source) == (first.spec, first.sha256, first.source)
    assert entry_of(cache).stat().st_mtime_ns == written


def test_the_cache_is_its_owners_only(cache: Path) -> None:
    prepare(given(numbered(3), [0, 1, 2]))
    assert [folder.stat().st_mode & 0o777 for folder in (cache, cache / "datasets")] == [0o700] * 2


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (cut, "Error while deserializing header: incomplete metadata, file not fully covered"),
        (empty, "Error while deserializing header: header too small"),
        (change_a_pixel, "its content has changed"),
    ],
)
def test_a_damaged_entry_is_made_again_with_one_warning(
    cache: Path,
    caplog: pytest.LogCaptureFixture,
    damage: Callable[[Path], None],
    reason: str,
) -> None:
    dataset = given(numbered(6), [0, 1, 2, 0, 1, 2])
    first = prepare(dataset)
    images = first.images.clone()  # they are mapped from the file that is about to change
    damage(entry_of(cache))
    assert prepare(dataset).sha256 == first.sha256
    entry = entry_of(cache)
    assert caplog.messages == [
        f"the cached dataset {entry} is damaged ({reason}); preparing it again"
    ]
    caplog.clear()
    assert torch.equal(prepare(dataset).images, images)
    assert caplog.messages == []


def test_options_that_change_no_image_share_an_entry_and_others_do_not(cache: Path) -> None:
    dataset = given(numbered(6), [0, 1, 2, 0, 1, 2])
    for options in (
        {},
        {"flip": True},
        {"fallback": {"type": "digits"}},
        {"fallback_images": 10},
    ):
        prepare(dataset.model_copy(update=options))
    assert len(list((cache / "datasets").iterdir())) == 1
    for options in ({"image_size": 16}, {"limit": 3}, {"classes": [1, 0]}):
        prepare(dataset.model_copy(update=options))
    prepare(dataset, split="test")
    assert len(list((cache / "datasets").iterdir())) == 5


def test_who_edits_a_dataset_gets_fresh_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = """
import numpy as np
from ganlab import Dataset, Images
class Mine(Dataset):
    name = "mine"
    def read(self, root, split):
        return Images(np.full((2, 8, 8), VALUE, np.uint8), np.arange(2), ("a", "b"))
"""
    monkeypatch.syspath_prepend(tmp_path)
    values = []
    for value in (1, 2):
        (tmp_path / "mine_edited.py").write_text(code.replace("VALUE", str(value)))
        monkeypatch.delitem(sys.modules, "mine_edited", raising=False)
        for compiled in tmp_path.glob("__pycache__/*"):
            compiled.unlink()
        import mine_edited  # type: ignore[import-not-found]

        values.append(int(prepare(mine_edited.Mine()).images[0, 0, 0, 0]))
    assert values == [1, 2]


def test_data_that_change_while_they_are_read_are_not_cached(cache: Path) -> None:
    dataset = given(numbered(3), [0, 1, 2])
    states = iter(["before", "after"])

    class Changing(type(dataset)):  # type: ignore[misc]
        def fingerprint(self, root: Path, split: str) -> str:
            return next(states)

    prepare(Changing(image_size=8))
    assert list((cache / "datasets").iterdir()) == []


def test_a_cache_that_cannot_be_written_costs_one_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("GANLAB_CACHE", str(tmp_path / "file" / "cache"))
    data = prepare(given(numbered(3), [0, 1, 2]))
    assert len(data.images) == 3
    place = tmp_path / "file" / "cache" / "datasets"
    assert caplog.messages == [
        f"cannot cache given in {place}: [Errno 20] Not a directory: '{place}'"
    ]
    assert caplog.records[0].levelno == logging.WARNING


def test_a_full_disk_costs_one_warning_and_leaves_nothing_behind(cache: Path) -> None:
    code = """
import logging, resource
logging.basicConfig(format="%(levelname)s %(message)s")
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
from ganlab.data.prepare import prepare
from tests.data.given import given, numbered
print(len(prepare(given(numbered(60, size=32), [0, 1, 2] * 20, image_size=32)).images))
"""
    done = subprocess.run(
        [sys.executable, "-B", "-c", code],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "GANLAB_CACHE": str(cache)},
    )
    assert done.stdout == "60\n"
    assert done.stderr == (
        f"WARNING cannot cache given in {cache}/datasets: [Errno 27] File too large\n"
    )
    assert list((cache / "datasets").iterdir()) == []


def test_a_killed_writer_leaves_no_entry(cache: Path) -> None:
    code = """
import os, signal
from pathlib import Path
from ganlab.data.prepare import prepare
from tests.data.given import given, numbered
Path.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
prepare(given(numbered(6), [0, 1, 2] * 2))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "GANLAB_CACHE": str(cache)},
    )
    assert done.returncode == -9
    assert [path for path in (cache / "datasets").iterdir() if path.is_file()] == []


def test_the_cache_folder_follows_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GANLAB_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_dir() == tmp_path / "xdg" / "ganlab"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_dir() == tmp_path / "home" / ".cache" / "ganlab"


def test_an_array_that_cannot_be_written_to_is_no_trouble() -> None:
    images = np.frombuffer(bytes(3 * 64), np.uint8).reshape(3, 8, 8)
    assert len(prepare(given(images, [0, 1, 2])).images) == 3
