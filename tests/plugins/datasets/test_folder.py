"""Images in one folder per class."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ganlab_plugins.datasets.folder import Folder
from PIL import Image

from ganlab.data.prepare import prepare
from ganlab.errors import DataError, DataUnavailable


def write(path: Path, value: int | Sequence[int] = 0, size: tuple[int, int] = (8, 8)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    mode = "L" if isinstance(value, int) else "RGB"
    colour = value if isinstance(value, int) else tuple(value)
    Image.new(mode, size, colour).save(path)


def folder(path: Path, **options: Any) -> Folder:
    return Folder(**{"path": path, "image_size": 8, **options})


def refusal(dataset: Folder, split: Any = "train") -> str:
    with pytest.raises(DataError) as error:
        prepare(dataset, split=split)
    return str(error.value)


@pytest.fixture
def animals(tmp_path: Path) -> Path:
    """Write two classes with two images each, at different depths."""
    write(tmp_path / "animals" / "dog" / "1.png", 30)
    write(tmp_path / "animals" / "dog" / "more" / "deep" / "2.PNG", 40)
    write(tmp_path / "animals" / "cat" / "1.bmp", 10)
    write(tmp_path / "animals" / "cat" / "2.tiff", 20, size=(24, 16))
    return tmp_path / "animals"


def test_folders_are_classes_in_alphabetical_order(animals: Path) -> None:
    data = prepare(folder(animals))
    assert data.spec.class_names == ("cat", "dog")
    assert data.labels.tolist() == [0, 0, 1, 1]
    assert data.images[:, 0, 0, 0].tolist() == [10, 20, 30, 40]
    assert data.images.shape == (4, 1, 8, 8)


def test_the_path_is_relative_to_the_working_directory(
    animals: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(animals.parent)
    assert len(prepare(folder(Path("animals"))).images) == 4


def test_images_are_64_pixels_wide_by_default(animals: Path) -> None:
    assert prepare(Folder(path=animals)).images.shape == (4, 1, 64, 64)


def test_channels_are_those_of_the_images_unless_they_are_set(animals: Path) -> None:
    assert prepare(folder(animals, channels=3)).images.shape == (4, 3, 8, 8)
    write(animals / "cat" / "3.png", (255, 0, 0))
    assert prepare(folder(animals)).images.shape == (5, 3, 8, 8)
    assert prepare(folder(animals, channels=1)).images[2, 0, 0, 0] == 76


def test_hidden_files_are_ignored_without_a_warning(
    animals: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(animals / ".thumbnails" / "1.png")
    write(animals / "cat" / ".hidden.png")
    write(animals / "__MACOSX" / "cat" / "1.png")
    (animals / ".DS_Store").write_bytes(b"x")
    assert len(prepare(folder(animals)).images) == 4
    assert caplog.messages == []


def test_other_files_are_ignored_with_one_warning(
    animals: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (animals / "dog" / "3.heic").write_bytes(b"x")
    write(animals / "0.png")
    assert len(prepare(folder(animals)).images) == 4
    assert caplog.messages == [
        f"{animals}: files not used in the train split: 2, such as {animals}/0.png"
    ]


def test_train_and_test_folders_are_splits(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for split, value in (("train", 1), ("test", 2)):
        for name in ("cat", "dog"):
            write(tmp_path / "pets" / split / name / "1.png", value)
    for split, value in (("train", 1), ("test", 2)):
        data = prepare(folder(tmp_path / "pets"), split=split)
        assert data.spec.class_names == ("cat", "dog")
        assert data.images[:, 0, 0, 0].tolist() == [value, value]
    assert caplog.messages == []


def test_the_test_split_has_the_class_indices_of_the_train_split(tmp_path: Path) -> None:
    pets = tmp_path / "pets"
    for name in ("cat", "dog", "owl"):
        write(pets / "train" / name / "1.png")
    for name in ("dog", "owl"):
        write(pets / "test" / name / "1.png")
    assert prepare(folder(pets, classes=["owl", "dog"]), split="test").labels.tolist() == [1, 0]
    assert refusal(folder(pets), "test") == (
        "folder: no image of class 'cat'; remove the class from the data, "
        "or list the ones to use in dataset.classes"
    )
    write(pets / "test" / "owls" / "1.png")
    assert refusal(folder(pets), "test") == (
        f"folder: {pets}/test/owls is not a class of the train split; did you mean 'owl'?"
    )


def test_classes_may_be_named_train_and_test(tmp_path: Path) -> None:
    for name in ("train", "bus", "test"):
        write(tmp_path / "things" / name / "1.png")
    assert prepare(folder(tmp_path / "things")).spec.class_names == ("bus", "test", "train")


def test_without_a_test_folder_there_is_no_test_split(animals: Path) -> None:
    with pytest.raises(DataUnavailable) as error:
        prepare(folder(animals), split="test")
    assert str(error.value) == (
        f"folder: {animals} has no test split: no {animals}/test/<class>/<image>"
    )


def test_a_missing_folder_may_be_replaced_by_a_fallback(tmp_path: Path) -> None:
    with pytest.raises(DataUnavailable) as error:
        prepare(folder(tmp_path / "none"))
    assert str(error.value) == (
        f"folder: {tmp_path}/none does not exist: correct dataset.path, or name a fallback in "
        "the experiment: `fallback: digits`"
    )


def test_images_without_class_folders_are_rejected(tmp_path: Path) -> None:
    write(tmp_path / "flat" / "1.png")
    assert refusal(folder(tmp_path / "flat")) == (
        f"folder: there are no images {tmp_path}/flat/<class>/<image>; supported extensions: "
        ".bmp, .gif, .jpeg, .jpg, .png, .tif, .tiff, .webp"
    )


def test_a_single_class_is_rejected(tmp_path: Path) -> None:
    write(tmp_path / "pets" / "cats" / "1.png")
    assert refusal(folder(tmp_path / "pets")) == (
        "folder (train): a conditional GAN needs at least 2 classes; found 1: 'cats'; in a folder "
        "of pictures each class is a subfolder: <path>/<class>/<picture>.png"
    )


def test_an_empty_class_is_rejected(animals: Path) -> None:
    (animals / "owl").mkdir()
    assert refusal(folder(animals)) == (
        "folder: no image of class 'owl'; remove the class from the data, "
        "or list the ones to use in dataset.classes"
    )


def test_damaged_images_are_named(animals: Path) -> None:
    file = animals / "dog" / "1.png"
    for content, reason in (
        (b"", "is empty"),
        (b"text", "is not a valid image"),
        (file.read_bytes()[:45], "cannot be decoded: image file is truncated"),
    ):
        file.write_bytes(content)
        message, _, _ = refusal(folder(animals)).partition(" (")
        assert message == f"{file} {reason}"


def test_a_changed_added_or_renamed_image_is_detected(animals: Path) -> None:
    hashes = [prepare(folder(animals)).sha256]
    write(animals / "cat" / "1.bmp", 99)
    hashes.append(prepare(folder(animals)).sha256)
    write(animals / "cat" / "9.png", 50)
    hashes.append(prepare(folder(animals)).sha256)
    (animals / "cat" / "9.png").rename(animals / "cat" / "0.png")
    hashes.append(prepare(folder(animals)).sha256)
    assert len(set(hashes)) == 4


def test_a_moved_folder_is_found_in_the_cache(animals: Path, cache: Path) -> None:
    first, old = folder(animals), animals.stat()
    prepare(first)
    os.utime(animals, ns=(old.st_atime_ns, old.st_mtime_ns))
    assert first.fingerprint(Path(), "train") == folder(
        animals.rename(animals.parent / "moved")
    ).fingerprint(Path(), "train")


def test_thousands_of_small_images_are_read_with_their_labels(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for i in range(600):
        path = tmp_path / "many" / str(i % 3) / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8), i % 3 * 80 + rng.integers(0, 80), np.uint8)).save(path)
    data = prepare(folder(tmp_path / "many"))
    assert (data.images[:, 0, 0, 0] // 80).tolist() == data.labels.tolist()


def test_a_link_to_a_parent_folder_is_not_followed_forever(animals: Path) -> None:
    (animals / "dog" / "loop").symlink_to(animals / "dog")
    (animals / "dog" / "more" / "up").symlink_to(animals)
    assert len(prepare(folder(animals)).images) == 4
