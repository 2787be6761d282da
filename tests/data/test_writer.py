"""What is written part by part is what would have been written at once."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from ganlab.data import content, memory_mapped, pictures, prepare, writer
from ganlab.data.memory_mapped import gather_rows
from ganlab.errors import DataError
from tests.data.given import given, numbered

prepare_dataset = prepare.prepare


def picture(number: int, mode: str) -> Image.Image:
    pixels = np.random.default_rng(number).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return Image.fromarray(pixels).convert(mode)


def of_modes(modes: str) -> list[Image.Image]:
    """Return a picture for each letter: g for grey, c for colour."""
    return [picture(i, "L" if mode == "g" else "RGB") for i, mode in enumerate(modes)]


def expected(modes: str) -> torch.Tensor:
    channels = "RGB" if "c" in modes else "L"
    arrays = [np.asarray(one.convert(channels)).reshape(8, 8, -1) for one in of_modes(modes)]
    return torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2)


@pytest.mark.parametrize("chunk", [1, 2, 3, 100])
@pytest.mark.parametrize(
    "modes", ["ggggggg", "ccccccc", "cgggggg", "ggggggc", "ggcgggg", "gggccgc"]
)
def test_grey_pictures_become_colour_whenever_the_first_in_colour_comes(
    cache: Path, monkeypatch: pytest.MonkeyPatch, modes: str, chunk: int
) -> None:
    monkeypatch.setattr(pictures, "CHUNK", chunk)
    monkeypatch.setattr(writer, "CHUNK", 2)
    labels = [0, 1, 2, 0, 1, 2, 0]
    dataset = given(iter(of_modes(modes)), labels)
    first = prepare_dataset(dataset)
    assert torch.equal(first.images, expected(modes))
    again = prepare_dataset(dataset)  # the iterator is used up: this comes from the cache
    assert torch.equal(again.images, first.images)
    assert (again.sha256, again.spec) == (first.sha256, first.spec)
    (entry,) = (cache / "datasets").iterdir()
    whole = load_file(entry)
    assert torch.equal(whole["images"], expected(modes))
    assert whole["labels"].tolist() == labels


def test_the_hash_is_the_same_with_and_without_a_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached = prepare_dataset(given(of_modes("gggcc"), [0, 1, 2, 0, 1]))
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("GANLAB_CACHE", str(tmp_path / "file"))
    kept = prepare_dataset(given(of_modes("gggcc"), [0, 1, 2, 0, 1]))
    assert torch.equal(kept.images, cached.images)
    assert (kept.sha256, kept.spec) == (cached.sha256, cached.spec)


def test_the_hash_does_not_depend_on_how_much_is_read_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = prepare_dataset(given(numbered(7), [0, 1, 2, 0, 1, 2, 0]))
    for chunk in (1, 3, 7):
        monkeypatch.setattr(content, "CHUNK", chunk)
        names = data.spec.class_names
        assert content.content_hash(data.images, data.labels, names) == data.sha256


def test_files_that_safetensors_wrote_at_once_are_read(cache: Path) -> None:
    dataset = given(of_modes("gcg"), [0, 1, 2])
    data = prepare_dataset(dataset)
    (entry,) = (cache / "datasets").iterdir()
    with safe_open(entry, framework="pt") as file:
        about = file.metadata()
    entry.unlink()
    save_file({"images": data.images, "labels": data.labels}, entry, metadata=about)
    written = entry.stat().st_mtime_ns
    assert torch.equal(prepare_dataset(dataset).images, data.images)
    assert entry.stat().st_mtime_ns == written


def test_who_changes_mapped_images_changes_no_file() -> None:
    dataset = given(numbered(6), [0, 1, 2] * 2)
    prepare_dataset(dataset).images.zero_()
    assert prepare_dataset(dataset).images[:, 0, 0, 0].tolist() == list(range(6))


def test_mapped_images_outlive_their_file(cache: Path) -> None:
    data = prepare_dataset(given(numbered(6), [0, 1, 2] * 2))
    (entry,) = (cache / "datasets").iterdir()
    entry.unlink()
    assert data.images[:, 0, 0, 0].tolist() == list(range(6))


def test_an_error_of_the_dataset_is_not_taken_for_one_of_the_cache(cache: Path) -> None:
    def broken() -> Iterator[Image.Image]:
        yield picture(0, "L")
        raise OSError("the camera is gone")

    with pytest.raises(OSError) as error:
        prepare_dataset(given(broken(), [0, 1, 2]))
    assert str(error.value) == "the camera is gone"
    assert list((cache / "datasets").iterdir()) == []


def test_what_fits_neither_on_the_disk_nor_into_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("GANLAB_CACHE", str(tmp_path / "file"))
    monkeypatch.setattr(prepare, "available_bytes", lambda: 383)
    with pytest.raises(DataError) as error:
        prepare_dataset(given(numbered(6), [0, 1, 2] * 2))
    assert str(error.value) == (
        "given: 0.0 GB of images do not fit into the 0.0 GB of free memory, and without a cache "
        "they cannot stay on the disk"
    )
    monkeypatch.setattr(prepare, "available_bytes", lambda: 384)
    assert len(prepare_dataset(given(numbered(6), [0, 1, 2] * 2)).images) == 6


TWICE = """
import sys, time
from pathlib import Path
import numpy as np
from ganlab import Dataset, Images
from ganlab.data.prepare import prepare
class Slow(Dataset):
    name = "slow"
    def read(self, root, split):
        with open("reads.txt", "a") as file:
            file.write("read\\n")
        Path("reading").touch()
        while not Path("go").exists():
            time.sleep(0.01)
        return Images(np.zeros((3, 8, 8), np.uint8), np.arange(3), ("a", "b", "c"))
if __name__ == "__main__":
    import logging
    logging.basicConfig(format="%(message)s")
    print(prepare(Slow(image_size=8)).sha256)
"""


def test_of_two_processes_one_prepares_and_the_other_waits(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(TWICE)
    environment = {**os.environ, "GANLAB_CACHE": str(cache)}

    def begin() -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "slow.py"],
            cwd=tmp_path,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    first = begin()
    while not (tmp_path / "reading").exists():
        assert first.poll() is None, first.communicate()
        time.sleep(0.01)
    second = begin()
    assert second.stderr is not None
    assert second.stderr.readline() == "another process is preparing slow; waiting for it\n"
    (tmp_path / "go").touch()
    answers = [process.communicate(timeout=300) for process in (first, second)]
    assert answers[0][0] == answers[1][0] != "", answers
    assert (tmp_path / "reads.txt").read_text() == "read\n"
    assert len(list((cache / "datasets").iterdir())) == 1


def test_what_a_killed_writer_left_goes_with_the_next_one(cache: Path) -> None:
    dataset = given(numbered(3), [0, 1, 2])
    prepare_dataset(dataset)
    (entry,) = (cache / "datasets").iterdir()
    entry.unlink()
    left = entry.with_name(f".writing-{entry.name}")
    left.mkdir()
    (left / entry.name).write_bytes(b"half")
    prepare_dataset(dataset)
    assert list((cache / "datasets").iterdir()) == [entry]


def test_many_chosen_images_stay_on_the_disk(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    data = prepare_dataset(given(numbered(60), [0, 1, 2] * 20))
    chosen = torch.randperm(60)[:40]
    monkeypatch.setattr(memory_mapped, "MOST_BYTES", 40 * 64 - 1)
    monkeypatch.setattr(memory_mapped, "CHUNK", 7)
    made: list[Any] = []
    temporary = memory_mapped.tempfile.TemporaryFile
    monkeypatch.setattr(
        memory_mapped.tempfile,
        "TemporaryFile",
        lambda **options: made.append(1) or temporary(**options),
    )
    assert torch.equal(gather_rows(data.images, chosen), data.images[chosen])
    assert torch.equal(gather_rows(data.images, chosen[:39]), data.images[chosen[:39]])
    assert made == [1]
    assert sorted(path.name for path in cache.iterdir()) == ["datasets", "locks"]
