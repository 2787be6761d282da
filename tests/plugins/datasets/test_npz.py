"""Images and labels in one NumPy file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ganlab_plugins.datasets.npz import Npz

from ganlab.data.prepare import prepare
from ganlab.errors import DataError, DataUnavailable

LABELS = np.array([0, 1, 2, 0, 1, 2])
IMAGES = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3), dtype=np.uint8)


def write(path: Path, **arrays: Any) -> Npz:
    np.savez(path, **arrays)
    return Npz(path=path, image_size=8)


def refusal(dataset: Npz, split: Any = "train") -> str:
    with pytest.raises(DataError) as error:
        prepare(dataset, split=split)
    return str(error.value)


@pytest.mark.parametrize("images", [IMAGES, IMAGES.transpose(0, 3, 1, 2)])
def test_channels_may_come_last_or_first(tmp_path: Path, images: np.ndarray) -> None:
    data = prepare(write(tmp_path / "a.npz", images=images, labels=LABELS))
    assert np.array_equal(data.images.permute(0, 2, 3, 1).numpy(), IMAGES)
    assert data.spec.class_names == ("0", "1", "2")


def test_grey_images_need_no_channel_axis(tmp_path: Path) -> None:
    data = prepare(write(tmp_path / "a.npz", images=IMAGES[..., 0], labels=LABELS[:, None]))
    assert data.images.shape == (6, 1, 8, 8)
    assert data.labels.tolist() == LABELS.tolist()


def test_if_both_axes_are_possible_the_last_one_is_the_channels(tmp_path: Path) -> None:
    images = np.zeros((6, 3, 8, 1), np.uint8)
    assert prepare(write(tmp_path / "a.npz", images=images, labels=LABELS)).spec.channels == 1


def test_class_names_and_keys_can_be_set(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=IMAGES, y=LABELS, class_names=np.array(["cat", "dog", "owl"]))
    dataset = Npz(path=tmp_path / "a.npz", images_key="x", labels_key="y", classes=["owl", "cat"])
    assert prepare(dataset).spec.class_names == ("owl", "cat")


def test_the_test_split_has_its_own_arrays(tmp_path: Path) -> None:
    arrays = {"images": IMAGES, "labels": LABELS}
    whole = write(tmp_path / "a.npz", **arrays, test_images=IMAGES[:3], test_labels=LABELS[:3])
    assert len(prepare(whole, split="test").images) == 3
    with pytest.raises(DataUnavailable) as error:
        prepare(write(tmp_path / "b.npz", **arrays), split="test")
    assert str(error.value) == (
        f"npz: {tmp_path}/b.npz has no test split: no arrays 'test_images' and 'test_labels'"
    )


def test_floats_are_rejected(tmp_path: Path) -> None:
    assert refusal(write(tmp_path / "a.npz", images=IMAGES / 255, labels=LABELS)) == (
        "npz (train): images must be uint8, from 0 to 255; these are float64"
    )
    assert refusal(write(tmp_path / "b.npz", images=IMAGES, labels=LABELS / 1)) == (
        "npz (train): labels must be (N,) integers; these are (6,) float64"
    )


def test_a_missing_array_is_named_with_a_suggestion(tmp_path: Path) -> None:
    assert refusal(write(tmp_path / "a.npz", image=IMAGES, labels=LABELS)) == (
        f"{tmp_path}/a.npz has no array 'images'; did you mean 'image'?"
    )


def test_pickles_are_rejected(tmp_path: Path) -> None:
    objects = np.array([{}] * 6, dtype=object)
    assert refusal(write(tmp_path / "a.npz", images=objects, labels=LABELS)) == (
        f"{tmp_path}/a.npz cannot be read as an .npz file: it is not an .npz file, or it contains "
        "Python objects instead of numbers"
    )


def test_damaged_and_foreign_files_are_named(tmp_path: Path) -> None:
    file = tmp_path / "a.npz"
    dataset = write(file, images=IMAGES, labels=LABELS)
    whole = file.read_bytes()
    file.write_bytes(whole[:-50])
    assert refusal(dataset) == (f"{file} cannot be read as an .npz file: File is not a zip file")
    file.write_bytes(b"")
    assert refusal(dataset) == f"{file} cannot be read as an .npz file: No data left in file"
    with file.open("wb") as opened:
        np.save(opened, IMAGES)
    assert refusal(dataset) == f"{file} contains a single array; save it with np.savez"


def test_a_missing_file_may_be_replaced_by_a_fallback(tmp_path: Path) -> None:
    with pytest.raises(DataUnavailable) as error:
        prepare(Npz(path=tmp_path / "a.npz"))
    assert str(error.value) == (
        f"npz: {tmp_path}/a.npz does not exist: correct dataset.path, or name a fallback in the "
        "experiment: `fallback: digits`"
    )


def test_labels_with_a_huge_gap_are_rejected(tmp_path: Path) -> None:
    path = write(tmp_path / "a.npz", images=IMAGES, labels=LABELS + 2**40)
    assert "'labels' must number the classes from 0 without gaps; found label 10995116277" in (
        refusal(path)
    )
