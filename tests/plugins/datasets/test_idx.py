"""MNIST-like datasets are read from torchvision's folder, and a damaged file is named."""

from __future__ import annotations

import gzip
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from ganlab_plugins.datasets.fashion_mnist import FashionMnist
from ganlab_plugins.datasets.kmnist import Kmnist
from ganlab_plugins.datasets.mnist import Mnist

from ganlab.data.prepare import prepare
from ganlab.errors import DataError

WriteMnist = Callable[..., Path]
TRAIN_IMAGES = "train-images-idx3-ubyte"


def test_both_splits_equal_those_of_torchvision(write_mnist: WriteMnist) -> None:
    root = write_mnist()
    for split in ("train", "test"):
        ours = Mnist().read(root, split)
        theirs = torchvision.datasets.MNIST(root, train=split == "train")
        assert np.array_equal(ours.images, theirs.data.numpy())
        assert np.array_equal(ours.labels, theirs.targets.numpy())


def test_images_are_28_by_28_before_they_are_prepared(write_mnist: WriteMnist) -> None:
    data = prepare(Mnist(), root=write_mnist())
    assert data.images.shape == (20, 1, 32, 32)
    assert data.labels.tolist() == [*range(10), *range(10)]
    assert data.spec.class_names == tuple("0123456789")


@pytest.mark.parametrize(
    ("kind", "folder", "third"),
    [(FashionMnist, "FashionMNIST", "pullover"), (Kmnist, "KMNIST", "su")],
)
def test_similar_datasets_have_their_own_folders_and_class_names(
    write_mnist: WriteMnist, kind: type[Mnist], folder: str, third: str
) -> None:
    data = prepare(kind(classes=[third, 0]), root=write_mnist(folder))
    assert data.spec.class_names[0] == third
    assert len(data.images) == 4


def test_compressed_files_are_read_in_place(write_mnist: WriteMnist) -> None:
    root = write_mnist()
    expected = Mnist().read(root, "train")
    for file in (root / "MNIST" / "raw").iterdir():
        file.with_name(f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
        file.unlink()
    found = Mnist().read(root, "train")
    assert np.array_equal(found.images, expected.images)
    assert np.array_equal(found.labels, expected.labels)


def test_a_split_needs_only_its_own_files(write_mnist: WriteMnist) -> None:
    root = write_mnist()
    for file in (root / "MNIST" / "raw").glob("t10k*"):
        file.unlink()
    assert len(Mnist().read(root, "train").labels) == 20


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it has no header of an idx file with 3 dimensions"),
        (b"<html>not found</html>", "it has no header of an idx file with 3 dimensions"),
        (
            bytes((0, 0, 8, 3, 0, 0, 0, 20, 0, 0, 0, 28, 0, 0, 0, 28)) + bytes(1000),
            "it has 1,016 bytes instead of 15,696",
        ),
    ],
)
def test_a_damaged_file_is_named(write_mnist: WriteMnist, content: bytes, reason: str) -> None:
    root = write_mnist()
    file = root / "MNIST" / "raw" / TRAIN_IMAGES
    file.write_bytes(content)
    with pytest.raises(DataError) as error:
        prepare(Mnist(), root=root)
    assert type(error.value) is DataError
    assert str(error.value) == (f"{file} cannot be read: {reason}; delete it to download it again")


def test_a_damaged_compressed_file_is_named(write_mnist: WriteMnist) -> None:
    root = write_mnist()
    file = root / "MNIST" / "raw" / TRAIN_IMAGES
    packed = file.with_name(f"{file.name}.gz")
    packed.write_bytes(gzip.compress(file.read_bytes())[:-100])
    file.unlink()
    with pytest.raises(DataError) as error:
        Mnist().read(root, "train")
    assert str(error.value) == (
        f"{packed} cannot be read: Compressed file ended before the end-of-stream marker was "
        "reached; delete it to download it again"
    )


def test_the_images_depend_on_the_files_and_not_on_their_folder(
    write_mnist: WriteMnist, tmp_path: Path, cache: Path
) -> None:
    root = write_mnist()
    first = prepare(Mnist(), root=root)
    moved = root.rename(tmp_path / "elsewhere")
    assert prepare(Mnist(), root=moved).sha256 == first.sha256
    assert len(list((cache / "datasets").iterdir())) == 1
    file = moved / "MNIST" / "raw" / TRAIN_IMAGES
    data = bytearray(file.read_bytes())
    data[-1] ^= 255
    file.write_bytes(bytes(data))
    second = prepare(Mnist(), root=moved)
    assert second.sha256 != first.sha256
    assert not torch.equal(second.images, first.images)


def test_reading_existing_files_does_not_import_torchvision(write_mnist: WriteMnist) -> None:
    code = (
        "import sys; from pathlib import Path; from ganlab_plugins.datasets.mnist import Mnist; "
        f"Mnist().read(Path({str(write_mnist())!r}), 'train'); print('torchvision' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
