"""The shipped extractor: its files agree with their cards, and invalid files are rejected."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from ganlab_plugins.datasets.digits import Digits
from ganlab_plugins.extractors._cnn import Cnn1
from ganlab_plugins.extractors._weights import SHIPPED, read, user_folder, weights_sha256
from ganlab_plugins.extractors.cnn import Cnn
from safetensors.torch import load_file, save_file
from torch import Tensor

from ganlab.data.prepare import prepare
from ganlab.errors import DataError, DataUnavailable
from ganlab.types import Prepared

FILES = sorted(SHIPPED.glob("*.safetensors"))


@pytest.fixture(scope="module")
def digits() -> Prepared:
    return prepare(Digits(image_size=32), split="test")


@pytest.fixture(scope="module")
def net() -> Cnn1:
    return loaded("digits")


def loaded(dataset: str) -> Cnn1:
    net = Cnn().load(dataset, 1)
    assert isinstance(net, Cnn1)
    return net


def classifier_of(dataset: str) -> Cnn1:
    classifier = Cnn().classifier(dataset, 1)
    assert isinstance(classifier, Cnn1)
    return classifier


def random_images(*shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(256, shape, generator=generator, dtype=torch.uint8)


def changed_file(folder: Path) -> Path:
    """Write the network of the digits with one modified weight under its old name."""
    (shipped,) = SHIPPED.glob("cnn1x3-digits-*.safetensors")
    tensors = load_file(shipped)
    tensors["members.1.hidden.bias"][3] += 1e-6
    save_file(tensors, folder / shipped.name)
    return folder / shipped.name


# ------------------------------------------------------------------------ the files


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_shipped_network_agrees_with_its_card(file: Path) -> None:
    card = json.loads(file.with_suffix(".json").read_text())
    net = read(file)
    assert file.stat().st_size < 2e6
    assert net.id == card["id"] == file.stem
    assert net.id.endswith(f"-{card['sha256'][:12]}")
    assert weights_sha256(net.state_dict()) == card["sha256"]
    assert len(net.members) == card["network"]["members"]
    assert all(gate["passed"] for gate in card["gates"])


def test_mnist_and_digits_have_an_extractor_and_a_classifier_each() -> None:
    names = [file.stem.rpartition("-")[0] for file in FILES]
    assert names == ["cnn1x3-digits", "cnn1x3-mnist", "judge1-digits", "judge1-mnist"]
    assert sorted(file.stem for file in SHIPPED.iterdir() if file.suffix == ".json") == sorted(
        file.stem for file in FILES
    )


def test_the_accuracies_on_digits_agree_with_the_cards(digits: Prepared) -> None:
    for net in (loaded("digits"), classifier_of("digits")):
        card = json.loads((SHIPPED / f"{net.id}.json").read_text())
        assert card["dataset"]["test"]["sha256"] == digits.sha256
        right = net(digits.images)[1].argmax(1) == digits.labels
        assert right.float().mean().item() >= card["accuracy"] - 0.005


def test_features_of_the_training_images_are_standardised(net: Cnn1) -> None:
    features = net(prepare(Digits(image_size=32)).images)[0]
    assert features.shape == (1500, 672)
    assert features.mean(0).abs().max() < 1e-3
    sd = features.std(0)
    assert (
        sd.max() < 1.001
    )  # rare features have a standard deviation below 1 because of the minimum divisor
    assert sd.median() == pytest.approx(1, abs=1e-3)


def test_a_modified_weight_changes_the_hash_and_the_file_is_rejected(tmp_path: Path) -> None:
    file = changed_file(tmp_path)
    sha = weights_sha256(load_file(file))
    assert sha[:12] not in file.stem
    with pytest.raises(DataError) as caught:
        read(file)
    assert str(caught.value) == (
        f"{file} was modified: its weights have the hash {sha[:12]}; download it again"
    )


def test_the_hash_depends_on_names_dtypes_and_shapes() -> None:
    one = {"a": torch.zeros(4)}
    others = [
        {"b": torch.zeros(4)},
        {"a": torch.zeros(4, dtype=torch.int32)},
        {"a": torch.zeros(2, 2)},
        {"a": torch.zeros(4), "b": torch.zeros(0)},
    ]
    assert len({weights_sha256(tensors) for tensors in (one, *others)}) == 5
    many = {"a": torch.ones(2), "b": torch.zeros(2)}
    assert weights_sha256(many) == weights_sha256(dict(reversed(many.items())))


@pytest.mark.parametrize("bytes_left", [0, 5, 100_000])
def test_a_truncated_file_is_rejected_with_its_name(tmp_path: Path, bytes_left: int) -> None:
    (shipped,) = SHIPPED.glob("judge1-digits-*.safetensors")
    file = tmp_path / shipped.name
    file.write_bytes(shipped.read_bytes()[:bytes_left])
    with pytest.raises(DataError) as caught:
        read(file)
    assert str(caught.value).startswith(f"{file} is damaged (")
    assert str(caught.value).endswith("); download or train it again")


# ------------------------------------------------------------------------ finding files


def test_an_unknown_dataset_has_no_classifier_and_names_the_command_to_train() -> None:
    with pytest.raises(DataUnavailable) as caught:
        Cnn().load("kmnist", 1)
    assert str(caught.value) == (
        "there is no extractor for 'kmnist' yet; make one: ganlab extractor train kmnist"
    )
    assert Cnn().classifier("kmnist", 1) is None
    assert Cnn().files("kmnist") == []


def test_networks_in_the_cache_are_found_and_duplicates_are_rejected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GANLAB_CACHE", str(tmp_path))
    user_folder().mkdir()
    for shipped in SHIPPED.glob("cnn1x3-digits-*.safetensors"):
        name = shipped.name.replace("digits", "fashion-mnist")
        (user_folder() / name).write_bytes(shipped.read_bytes())
        card = shipped.with_suffix(".json").read_bytes()
        (user_folder() / name).with_suffix(".json").write_bytes(card)
    assert Cnn().load("fashion-mnist", 1).id == Path(name).stem
    for other in ("fashion", "mnist-fashion", "fashion-*"):
        with pytest.raises(DataUnavailable):
            Cnn().load(other, 1)
    (user_folder() / "cnn1x3-fashion-mnist-0123456789ab.safetensors").touch()
    with pytest.raises(DataError) as caught:
        Cnn().load("fashion-mnist", 1)
    assert str(caught.value) == (
        f"{user_folder()} has several networks for 'fashion-mnist': "
        f"cnn1x3-fashion-mnist-0123456789ab.safetensors and {name}; keep one"
    )


def test_loading_does_not_change_random_state_or_threads() -> None:
    torch.manual_seed(3)
    before, threads = torch.random.get_rng_state(), torch.get_num_threads()
    loaded("digits")(random_images(2, 1, 8, 8))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.get_num_threads() == threads


def test_the_classifier_is_a_different_network(net: Cnn1) -> None:
    classifier = classifier_of("digits")
    assert classifier.id.startswith("judge1-digits-")
    assert classifier(random_images(2, 1, 32, 32))[0].shape == (2, 224)
    assert not torch.equal(
        classifier.state_dict()["members.0.hidden.bias"], net.state_dict()["members.0.hidden.bias"]
    )


def test_with_a_directory_no_other_folder_is_searched(tmp_path: Path) -> None:
    own = Cnn(directory=tmp_path)
    assert own.files("digits") == []
    for file in Cnn().files("digits"):
        shutil.copy(file, tmp_path)
    assert [file.parent for file in own.files("digits")] == [tmp_path] * 4
    assert own.load("digits", 1).id == Cnn().load("digits", 1).id


# ------------------------------------------------------------------------ installing files


def test_files_of_a_dataset_are_both_networks_and_their_cards() -> None:
    assert [file.name for file in Cnn().files("digits")] == [
        "cnn1x3-digits-4b7b878c712d.safetensors",
        "cnn1x3-digits-4b7b878c712d.json",
        "judge1-digits-c6b89ab2d2d9.safetensors",
        "judge1-digits-c6b89ab2d2d9.json",
    ]


def test_installed_files_are_found_and_give_equal_features(tmp_path: Path) -> None:
    own = Cnn(directory=tmp_path / "deep" / "below")
    assert own.install(Cnn().files("digits")) == own.files("digits")
    assert [file.read_bytes() for file in own.files("digits")] == [
        file.read_bytes() for file in Cnn().files("digits")
    ]
    images = random_images(2, 1, 32, 32)
    assert torch.equal(own.load("digits", 1)(images)[0], Cnn().load("digits", 1)(images)[0])
    with pytest.raises(DataError) as caught:
        own.install(Cnn().files("digits"))
    assert str(caught.value) == (
        f"{own.files('digits')[0]} already exists, and scores may refer to it: move it away first"
    )


def test_a_shipped_network_is_not_replaced() -> None:
    with pytest.raises(DataError) as caught:
        Cnn().install(Cnn().files("digits"))
    assert str(caught.value) == (
        "cnn1x3-digits-4b7b878c712d.safetensors ships with ganlab, and scores refer to it; "
        "save another network in a separate folder: --output DIR"
    )


@pytest.fixture
def handed(tmp_path: Path) -> list[Path]:
    """Return copies of the digits' files that a test may modify."""
    folder = tmp_path / "handed"
    folder.mkdir()
    return [Path(shutil.copy(file, folder)) for file in Cnn().files("digits")]


def spoilt(handed: list[Path], folder: Path) -> str:
    """Return the error of installing files, and assert that none of them is installed."""
    own = Cnn(directory=folder / "own")
    with pytest.raises(DataError) as caught:
        own.install(handed)
    assert not (folder / "own").exists()
    return str(caught.value)


def test_a_modified_weight_is_not_installed(handed: list[Path], tmp_path: Path) -> None:
    changed = changed_file(handed[0].parent)
    sha = weights_sha256(load_file(changed))[:12]
    assert spoilt(handed, tmp_path) == (
        f"{changed} was modified: its weights have the hash {sha}; download it again"
    )


def test_a_network_without_its_card_is_not_installed(handed: list[Path], tmp_path: Path) -> None:
    assert spoilt(handed[:3], tmp_path) == (
        "judge1-digits-c6b89ab2d2d9.json: a network (.safetensors) needs its card (.json)"
    )
    assert spoilt([], tmp_path) == "these files contain no network (.safetensors)"


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"id": "x"}, "{net}: its card belongs to another network"),
        ({"sha256": "x"}, "{net}: its card belongs to another network"),
        (
            {"dataset": {"name": "mnist", "class_names": list("0123456789")}},
            "{net}: its card belongs to another network",
        ),
        (
            {"dataset": {"name": "digits", "class_names": ["a"]}},
            "{card} has other classes than its network",
        ),
        (
            {"dataset": {"class_names": [1]}},
            "the card {card} is missing or damaged: its class names are not strings",
        ),
    ],
)
def test_a_card_that_disagrees_is_not_installed(
    handed: list[Path], tmp_path: Path, change: dict[str, Any], what: str
) -> None:
    card = handed[3]
    card.write_text(json.dumps(json.loads(card.read_text()) | change))
    assert spoilt(handed, tmp_path) == what.format(net=handed[2].name, card=card)


def test_another_kind_of_network_is_not_installed(tmp_path: Path) -> None:
    tensors = {"weight": torch.zeros(3)}
    file = tmp_path / f"judge1-digits-{weights_sha256(tensors)[:12]}.safetensors"
    save_file(tensors, file)
    file.with_suffix(".json").write_text("{}")
    assert spoilt([file, file.with_suffix(".json")], tmp_path) == (
        f"{file} contains another kind of network"
    )


# ------------------------------------------------------------------------ images


@pytest.mark.parametrize(
    ("images", "what"),
    [
        (torch.zeros(2, 1, 32, 32), "images must be uint8 in 0..255, not torch.float32"),
        (random_images(2, 32, 32), "images must be (N, C, H, W), not (2, 32, 32)"),
        (random_images(2, 2, 32, 32), "images must have 1 channels, not 2"),
        (random_images(2, 3, 32, 32), "images must be grey, but these are in colour"),
    ],
)
def test_invalid_images_are_rejected(net: Cnn1, images: Tensor, what: str) -> None:
    with pytest.raises(DataError) as caught:
        net(images)
    assert str(caught.value) == f"{net.id}: {what}"


def test_three_equal_channels_are_accepted_as_grey(net: Cnn1) -> None:
    images = random_images(3, 1, 32, 32)
    for one, other in zip(net(images), net(images.expand(-1, 3, -1, -1)), strict=True):
        assert torch.equal(one, other)


def test_features_that_are_not_finite_are_rejected() -> None:
    net = loaded("digits")
    net.members[0].output.bias.fill_(torch.nan)  # type: ignore[union-attr, operator]
    with pytest.raises(DataError) as caught:
        net(random_images(1, 1, 32, 32))
    assert str(caught.value) == f"{net.id}: the features of these images are not finite"


def test_the_batch_size_does_not_change_features(net: Cnn1, digits: Prepared) -> None:
    whole = net(digits.images)
    for size in (1, 7, 100):
        parts = [net(part) for part in digits.images[:100].split(size)]
        for one, many in zip(whole, zip(*parts, strict=True), strict=True):
            assert (torch.cat(many) - one[:100]).abs().max() < 1e-5


@pytest.mark.parametrize("side", [8, 16, 28, 32, 64])
def test_images_of_any_size_give_finite_float32(net: Cnn1, side: int) -> None:
    features, logits = net(random_images(2, 1, side, side))
    assert (features.shape, logits.shape) == ((2, 672), (2, 10))
    assert features.dtype == logits.dtype == torch.float32


def test_autocast_train_mode_and_gradients_have_no_effect(net: Cnn1) -> None:
    images = random_images(4, 1, 32, 32)
    plain = net(images)
    net.train()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        again = net(images)
    for one, other in zip(plain, again, strict=True):
        assert torch.equal(one, other)
        assert not other.requires_grad
    assert not any(module.training for module in net.modules())
    assert not any(parameter.requires_grad for parameter in net.parameters())
