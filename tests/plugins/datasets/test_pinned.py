"""CIFAR and SVHN are read only if their files have the published checksums."""

from __future__ import annotations

import hashlib
import pickle
import shutil
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
import torchvision
from ganlab_plugins.datasets.cifar10 import Cifar10
from ganlab_plugins.datasets.cifar100 import Cifar100
from ganlab_plugins.datasets.svhn import Svhn

from ganlab.data.prepare import prepare
from ganlab.errors import DataError, DataUnavailable

REFUSED = "http://127.0.0.1:9/archive"


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


def pickled(path: Path, value: Any) -> str:
    path.write_bytes(pickle.dumps(value, protocol=2))
    return md5(path)


def pixels(n: int, seed: int) -> np.ndarray:
    """Return random colour images (n, 32, 32, 3) uint8."""
    return np.random.default_rng(seed).integers(0, 256, (n, 32, 32, 3), dtype=np.uint8)


def rows(images: np.ndarray) -> np.ndarray:
    """Return images in CIFAR's layout (n, 3072): the red, the green and the blue plane."""
    return images.transpose(0, 3, 1, 2).reshape(len(images), -1)


@pytest.fixture
def cifar10(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a small CIFAR-10, make torchvision expect its checksums, and return the data root."""
    folder = tmp_path / "data" / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    kind = torchvision.datasets.CIFAR10
    sums = {}
    for name, n, seed in (("data_batch_1", 10, 1), ("data_batch_2", 10, 2), ("test_batch", 10, 3)):
        entry = {"data": rows(pixels(n, seed)), "labels": list(range(10))}
        sums[name] = pickled(folder / name, entry)
    names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship"]
    meta = pickled(folder / "batches.meta", {"label_names": [*names, "truck"]})
    train = [[name, sums[name]] for name in ("data_batch_1", "data_batch_2")]
    monkeypatch.setattr(kind, "train_list", train)
    monkeypatch.setattr(kind, "test_list", [["test_batch", sums["test_batch"]]])
    monkeypatch.setattr(kind, "meta", {**kind.meta, "md5": meta})
    monkeypatch.setattr(kind, "url", REFUSED)
    return tmp_path / "data"


def test_cifar10_is_read_in_order_and_in_colour(cifar10: Path) -> None:
    data = prepare(Cifar10(), root=cifar10)
    expected = np.concatenate([pixels(10, 1), pixels(10, 2)])
    assert np.array_equal(data.images.permute(0, 2, 3, 1).numpy(), expected)
    assert data.labels.tolist() == [*range(10), *range(10)]
    assert data.spec.class_names[2] == "bird"
    test = prepare(Cifar10(), root=cifar10, split="test")
    assert np.array_equal(test.images.permute(0, 2, 3, 1).numpy(), pixels(10, 3))


def test_cifar10_is_read_from_the_cache_without_its_files(cifar10: Path) -> None:
    first = prepare(Cifar10(), root=cifar10)
    shutil.rmtree(cifar10)
    assert prepare(Cifar10(), root=cifar10).sha256 == first.sha256


def test_an_existing_archive_is_unpacked_without_network_access(
    cifar10: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = cifar10 / "cifar-10-python.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(cifar10 / "cifar-10-batches-py", "cifar-10-batches-py")
    shutil.rmtree(cifar10 / "cifar-10-batches-py")
    monkeypatch.setattr(torchvision.datasets.CIFAR10, "tgz_md5", md5(archive))
    assert len(prepare(Cifar10(), root=cifar10).images) == 20
    assert capsys.readouterr().out == ""


def test_a_damaged_cifar_file_is_named_and_never_unpickled(cifar10: Path) -> None:
    file = cifar10 / "cifar-10-batches-py" / "data_batch_2"
    published = md5(file)
    file.write_bytes(b"cos\nabort\n(tR.")
    with pytest.raises(DataError) as error:
        prepare(Cifar10(), root=cifar10)
    assert type(error.value) is DataError
    assert str(error.value) == (
        f"{file} is damaged (its MD5 checksum is not {published}) and could not be downloaded "
        "again: delete it and repeat the command with network access"
    )


def test_a_missing_cifar_names_the_archive_to_download(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torchvision.datasets.CIFAR100, "url", REFUSED)
    with pytest.raises(DataUnavailable) as error:
        prepare(Cifar100(), root=tmp_path / "data")
    archive = tmp_path / "data" / "cifar-100-python.tar.gz"
    assert str(error.value) == (
        f"cifar100 is not available: not in {archive}, and the download failed ([Errno 111] "
        f"Connection refused). (1) Put the files at {archive}, or set --data-root or GANLAB_DATA "
        "to a folder that has them; (2) name a fallback in the experiment: "
        "`dataset: {type: cifar100, fallback: digits}`; (3) repeat the command with network access."
    )


def test_cifar100_has_its_fine_classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "cifar-100-python"
    folder.mkdir()
    kind = torchvision.datasets.CIFAR100
    entry = {"data": rows(pixels(4, 0)), "fine_labels": [0, 1, 2, 2], "coarse_labels": [0] * 4}
    train, test = (pickled(folder / name, entry) for name in ("train", "test"))
    meta = pickled(folder / "meta", {"fine_label_names": ["apple", "aquarium_fish", "baby"]})
    monkeypatch.setattr(kind, "train_list", [["train", train]])
    monkeypatch.setattr(kind, "test_list", [["test", test]])
    monkeypatch.setattr(kind, "meta", {**kind.meta, "md5": meta})
    data = prepare(Cifar100(), root=tmp_path)
    assert data.spec.class_names == ("apple", "aquarium fish", "baby")
    assert data.labels.tolist() == [0, 1, 2, 2]


def test_svhn_reads_label_ten_as_zero(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = pixels(10, 0)
    file = tmp_path / "train_32x32.mat"
    labels = np.arange(1, 11, dtype=np.uint8)[:, None]
    scipy.io.savemat(file, {"X": images.transpose(1, 2, 3, 0), "y": labels})
    kind = torchvision.datasets.SVHN
    split_list = {**kind.split_list, "train": [REFUSED, file.name, md5(file)]}
    monkeypatch.setattr(kind, "split_list", split_list)
    data = prepare(Svhn(), root=tmp_path)
    assert data.labels.tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0]
    assert np.array_equal(data.images.permute(0, 2, 3, 1).numpy(), images)
