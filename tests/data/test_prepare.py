"""What `prepare` selects and refuses, and that it names the content."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ganlab import Dataset
from ganlab.data.prepare import data_root, prepare
from ganlab.errors import DataError, PluginError
from ganlab.types import DataSpec
from tests.data.given import given, numbered


def refusal(*arguments: Any, **options: Any) -> str:
    with pytest.raises(DataError) as error:
        prepare(given(*arguments, **options))
    return str(error.value)


def test_images_that_fit_come_through_untouched() -> None:
    images = np.random.default_rng(0).integers(0, 256, (6, 8, 8), dtype=np.uint8)
    data = prepare(given(images, [0, 1, 2, 0, 1, 2]))
    assert data.images.dtype == torch.uint8
    assert np.array_equal(data.images[:, 0].numpy(), images)
    assert data.labels.dtype == torch.int64
    assert data.labels.tolist() == [0, 1, 2, 0, 1, 2]
    assert data.spec == DataSpec(3, 8, 1, ("cat", "dog", "owl"))
    assert data.source == "given"


@pytest.mark.parametrize(("last", "channels"), [((), 1), ((1,), 1), ((3,), 3)])
def test_arrays_may_have_a_channel_axis(last: tuple[int, ...], channels: int) -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 8, 8, *last), dtype=np.uint8)
    data = prepare(given(images, [0, 1, 2]))
    assert data.images.shape == (3, channels, 8, 8)
    assert np.array_equal(
        data.images.permute(0, 2, 3, 1).numpy(), images.reshape(3, 8, 8, channels)
    )


def test_classes_are_chosen_by_name_or_number_and_relabelled_in_that_order() -> None:
    data = prepare(given(numbered(6), [0, 1, 2, 0, 1, 2], classes=["owl", 0]))
    assert data.spec.class_names == ("owl", "cat")
    assert data.images[:, 0, 0, 0].tolist() == [0, 2, 3, 5]
    assert data.labels.tolist() == [1, 0, 1, 0]


def test_a_class_name_goes_before_a_class_number() -> None:
    dataset = given(numbered(3), [0, 1, 2], names=("1", "2", "3"), classes=[3, 1])
    assert prepare(dataset).spec.class_names == ("3", "1")


def test_limit_takes_evenly_from_the_classes_and_not_the_first() -> None:
    dataset = given(numbered(90), np.repeat([0, 1, 2], 30), limit=10)
    data = prepare(dataset)
    assert data.labels.bincount().tolist() == [4, 3, 3]
    chosen = data.images[:, 0, 0, 0]
    assert torch.equal(chosen // 30, data.labels)
    assert (chosen % 30).max() > 15
    assert prepare(given(numbered(90), np.repeat([0, 1, 2], 30), limit=10)).sha256 == data.sha256


def test_limit_takes_from_other_classes_what_a_small_class_lacks() -> None:
    labels = [0] * 2 + [1] * 30 + [2] * 30
    data = prepare(given(numbered(62), labels, limit=20))
    assert data.labels.bincount().tolist() == [2, 9, 9]
    assert len(prepare(given(numbered(62), labels, limit=1000)).images) == 62


def test_a_higher_limit_keeps_what_a_lower_one_chose() -> None:
    labels = np.repeat([0, 1, 2], 30)
    few = prepare(given(numbered(90), labels, limit=9)).images[:, 0, 0, 0]
    more = prepare(given(numbered(90), labels, limit=30)).images[:, 0, 0, 0]
    assert set(few.tolist()) < set(more.tolist())


def test_the_hash_changes_with_a_pixel_a_label_and_a_class_name() -> None:
    images = numbered(3)
    other = images.copy()
    other[0, 0, 0] += 1
    hashes = [
        prepare(dataset).sha256
        for dataset in (
            given(images, [0, 1, 2]),
            given(other, [0, 1, 2]),
            given(images, [0, 2, 1]),
            given(images, [0, 1, 2], names=("cat", "dog", "elk")),
        )
    ]
    assert len(set(hashes)) == 4
    assert prepare(given(images, [0, 1, 2])).sha256 == hashes[0]


def test_an_unknown_class_is_refused_with_the_nearest_and_all_names() -> None:
    assert refusal(numbered(3), [0, 1, 2], classes=["dgo", "cat"]) == (
        "given: there is no class 'dgo'; did you mean 'dog'? allowed: 0 to 2, or cat, dog, owl"
    )
    assert refusal(numbered(3), [0, 1, 2], classes=[0, 3]) == (
        "given: there is no class '3'; allowed: 0 to 2, or cat, dog, owl"
    )


def test_a_class_cannot_be_chosen_twice() -> None:
    assert refusal(numbered(3), [0, 1, 2], classes=["cat", 0]) == (
        "given: `classes` names 'cat' twice"
    )


def test_a_limit_below_the_number_of_classes_is_refused() -> None:
    assert refusal(numbered(3), [0, 1, 2], limit=2) == (
        "given: `limit: 2` is less than one image for each of the 3 classes"
    )


def test_one_class_is_refused() -> None:
    assert refusal(numbered(2), [0, 0], names=("cats",)) == (
        "given (train): a conditional GAN needs at least 2 classes; found 1: 'cats'; in a folder "
        "of pictures each class is a subfolder: <path>/<class>/<picture>.png"
    )


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (numbered(0), np.zeros(0, int), "there are no images"),
        (numbered(3), [0, 1, 3], "3 classes have the labels 0 to 2; found 3"),
        (numbered(3), [0, -1, 1], "3 classes have the labels 0 to 2; found -1"),
        (numbered(3), [0, 1], "3 images but 2 labels"),
        (numbered(3), [0.0, 1.0, 2.0], "labels must be (N,) integers; these are (3,) float64"),
        (
            numbered(3) / 255,
            [0, 1, 2],
            "images must be uint8, from 0 to 255; these are float64",
        ),
        (
            np.zeros((3, 8, 8, 2), np.uint8),
            [0, 1, 2],
            "images must be (N, H, W) or (N, H, W, C) with 1 or 3 channels; these are (3, 8, 8, 2)",
        ),
    ],
)
def test_what_does_not_fit_is_refused(images: Any, labels: Any, message: str) -> None:
    assert refusal(images, labels) == f"given (train): {message}"


def test_a_class_without_images_is_refused() -> None:
    assert refusal(numbered(3), [0, 1, 1]) == (
        "given: no image of class 'owl'; remove the class from the data, "
        "or list the ones to use in dataset.classes"
    )


def test_two_classes_of_one_name_are_refused() -> None:
    assert refusal(numbered(3), [0, 1, 2], names=("cat", "dog", "cat")) == (
        "given (train): two classes are called 'cat'"
    )


def test_the_data_root_is_the_argument_else_the_environment_else_in_the_cache(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert data_root() == cache / "data"
    monkeypatch.setenv("GANLAB_DATA", "/somewhere")
    assert data_root() == Path("/somewhere")
    assert data_root(Path("/here")) == Path("/here")


def test_a_cached_dataset_needs_neither_its_source_nor_the_libraries_that_read_it() -> None:
    code = (
        "import sys; from ganlab_plugins.datasets.digits import Digits; "
        "from ganlab.data.prepare import prepare; prepare(Digits()); "
        "print(sorted({'sklearn', 'torchvision'} & sys.modules.keys()))"
    )
    lines = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        for _ in range(2)
    ]
    assert [line.stdout for line in lines] == ["['sklearn']\n", "[]\n"]


def test_a_plugin_that_reads_something_else_than_images_is_named() -> None:
    class Pair(Dataset):
        name = "pair"

        def read(self, root: Path, split: Any) -> Any:
            return numbered(4), [0, 1, 0, 1]

    with pytest.raises(PluginError) as error:
        prepare(Pair(image_size=8))
    assert str(error.value) == "dataset pair (train): read() must return ganlab.Images, got tuple"
