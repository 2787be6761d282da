"""Inception: the real architecture with random weights, read from a file."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
import torch
from ganlab_plugins.datasets import _download
from ganlab_plugins.extractors import inception
from ganlab_plugins.extractors._fidelity import FidelityNet
from ganlab_plugins.extractors.inception import PUBLISHED, Inception
from torch import Tensor
from torch_fidelity.utils import create_feature_extractor

from ganlab.errors import DataError, DataUnavailable
from tests.plugins.extractors.weights import random_inception


@pytest.fixture(autouse=True)
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Provide an empty torch.hub folder and no network access."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(_download, "urlopen", refuse)
    return tmp_path / "torch" / "hub" / "checkpoints"


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    return random_inception()


@pytest.fixture(scope="module")
def file(state: dict[str, Tensor], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    file = tmp_path_factory.mktemp("weights") / "own.pth"
    torch.save(state, file)
    yield file
    file.unlink()  # 92 MB


@pytest.fixture(scope="module")
def net(file: Path) -> FidelityNet:
    found = Inception(weights=file).load("cifar10", 3)
    assert isinstance(found, FidelityNet)
    return found


def refuse(*_: Any, **__: Any) -> None:
    raise URLError("Network is unreachable")


def sha256_of(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def random_images(*shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(256, shape, generator=generator, dtype=torch.uint8)


def refusal(extractor: Inception) -> str:
    with pytest.raises(DataError) as caught:
        extractor.load("cifar10", 3)
    assert not isinstance(caught.value, DataUnavailable)
    return str(caught.value)


# ------------------------------------------------------------------------ features and logits


def test_features_and_logits_equal_those_of_torch_fidelity(net: FidelityNet, file: Path) -> None:
    images = random_images(3, 3, 32, 32)
    theirs = create_feature_extractor(
        "inception-v3-compat",
        ["2048", "logits_unbiased"],
        cuda=False,
        feature_extractor_weights_path=str(file),
    )
    ours = net(images)
    assert [tuple(one.shape) for one in ours] == [(3, 2048), (3, 1008)]
    for one, other in zip(ours, theirs(images), strict=True):
        assert one.dtype == torch.float32
        assert one.std() > 1e-3
        assert (one - other).abs().max() <= 1e-6


def test_grey_images_are_repeated_to_three_channels(net: FidelityNet) -> None:
    grey = random_images(2, 1, 32, 32)
    for one, other in zip(net(grey), net(grey.repeat(1, 3, 1, 1)), strict=True):
        assert torch.equal(one, other)


def test_autocast_train_mode_and_gradients_have_no_effect(net: FidelityNet) -> None:
    images = random_images(2, 3, 32, 32)
    plain = net(images)
    net.train()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        again = net(images)
    for one, other in zip(plain, again, strict=True):
        assert torch.equal(one, other)
        assert not other.requires_grad
    assert not any(module.training for module in net.modules())


@pytest.mark.parametrize(
    ("images", "what"),
    [
        (torch.zeros(2, 3, 32, 32), "images must be uint8 in 0..255, not torch.float32"),
        (random_images(2, 32, 32), "images must be (N, C, H, W), not (2, 32, 32)"),
        (random_images(2, 2, 32, 32), "images must have 1 or 3 channels, not 2"),
    ],
)
def test_invalid_images_are_rejected(net: FidelityNet, images: Tensor, what: str) -> None:
    with pytest.raises(DataError) as caught:
        net(images)
    assert str(caught.value) == f"{net.id}: {what}"


def test_it_is_the_default_only_for_colour_and_has_no_classifier() -> None:
    assert Inception.published
    assert [Inception.priority(channels) for channels in (1, 3)] == [None, 1]
    assert Inception().classifier("cifar10", 3) is None


# ------------------------------------------------------------------------ files of weights


def test_other_weights_cause_a_warning_and_have_their_own_hash_in_the_id(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    with caplog.at_level(logging.WARNING, "ganlab"):
        net = Inception(weights=file).load("cifar10", 3)
    sha = sha256_of(file)
    assert net.id == f"inception-own-{sha[:12]}"
    assert net.class_names == ()
    assert caplog.messages == [
        f"{file} is not the published file of inception (its SHA-256 starts with {sha[:8]} "
        "instead of 6726825d): its scores are not comparable with published scores"
    ]
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_modified_weight_changes_the_id(
    net: FidelityNet, state: dict[str, Tensor], tmp_path: Path
) -> None:
    changed = state | {"fc.bias": state["fc.bias"] + 1e-6}
    torch.save(changed, tmp_path / "other.pth")
    other = Inception(weights=tmp_path / "other.pth").load("cifar10", 3)
    assert other.id.startswith("inception-own-")
    assert other.id != net.id


def test_the_published_file_is_downloaded_once_and_verified(
    file: Path, hub: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sha = sha256_of(file)
    published = replace(PUBLISHED, url=file.as_uri(), sha256=sha[:8])
    monkeypatch.setattr(inception, "PUBLISHED", published)
    monkeypatch.setattr(_download, "urlopen", torch.hub.urlopen)
    assert Inception().load("cifar10", 3).id == f"inception-v3-compat-{sha[:12]}"
    assert [one.name for one in hub.iterdir()] == [PUBLISHED.file_name]
    monkeypatch.setattr(_download, "urlopen", refuse)
    assert Inception().load("cifar10", 3).id == f"inception-v3-compat-{sha[:12]}"
    assert not caplog.messages


def test_a_download_with_a_wrong_hash_leaves_no_file(
    file: Path, hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inception, "PUBLISHED", replace(PUBLISHED, url=file.as_uri()))
    monkeypatch.setattr(_download, "urlopen", torch.hub.urlopen)
    with pytest.raises(DataUnavailable) as caught:
        Inception().load("cifar10", 3)
    assert (
        f'the download failed (invalid hash value (expected "6726825d", got "{sha256_of(file)}'
    ) in str(caught.value)
    assert list(hub.iterdir()) == []


def test_without_network_access_the_error_names_the_solutions(hub: Path) -> None:
    with pytest.raises(DataUnavailable) as caught:
        Inception().load("cifar10", 3)
    assert str(caught.value) == (
        f"inception is not available: not in {hub}, and the download failed (Network is "
        "unreachable). (1) Download https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
        f"weights-inception-2015-12-05-6726825d.pth on another machine and put it at {hub}/"
        "weights-inception-2015-12-05-6726825d.pth or pass it with --weights FILE; "
        "(2) offline, train an extractor on the dataset: ganlab extractor train cifar10"
    )
    assert not hub.exists()


def test_a_file_with_a_wrong_hash_in_torch_hubs_folder_is_rejected(hub: Path) -> None:
    hub.mkdir(parents=True)
    (hub / PUBLISHED.file_name).write_bytes(b"half a file")
    sha = hashlib.sha256(b"half a file").hexdigest()
    assert refusal(Inception()) == (
        f"{hub / PUBLISHED.file_name} is damaged or is another file: its SHA-256 starts with "
        f"{sha[:8]} instead of 6726825d; delete it to download it again"
    )


@pytest.mark.parametrize("share", [0.0, 0.0001, 0.5, 0.99999])
def test_a_truncated_file_is_rejected(file: Path, tmp_path: Path, share: float) -> None:
    half = tmp_path / "half.pth"
    content = file.read_bytes()
    half.write_bytes(content[: int(share * len(content))])
    assert refusal(Inception(weights=half)) == (
        f"{half} is damaged or is not a state dict written by torch.save; download it again"
    )


def test_a_file_that_would_execute_code_is_rejected(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "executed",))

    bomb = tmp_path / "bomb.pth"
    torch.save({"weight": Bomb()}, bomb)
    assert refusal(Inception(weights=bomb)) == (
        f"{bomb} is damaged or is not a state dict written by torch.save; download it again"
    )
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ({"epoch": 3}, "is not a state dict, which contains only named tensors"),
        (torch.zeros(3), "is not a state dict, which contains only named tensors"),
        (
            {"weight": torch.zeros(3)},
            "has the weights of another network: Missing key(s) in state_dict: "
            '"Conv2d_1a_3x3.conv.weight", "Conv2d_1a_3x3.bn.weight", '
            '"Conv2d_1a_3x3.bn.bias", [...]',
        ),
    ],
)
def test_content_other_than_a_state_dict_is_rejected(
    tmp_path: Path, content: Any, what: str
) -> None:
    other = tmp_path / "other.pth"
    torch.save(content, other)
    assert refusal(Inception(weights=other)) == f"{other} {what}"


def test_weights_of_another_shape_are_rejected(tmp_path: Path, state: dict[str, Tensor]) -> None:
    other = tmp_path / "other.pth"
    torch.save(state | {"fc.bias": torch.zeros(1000)}, other)
    assert refusal(Inception(weights=other)) == (
        f"{other} has the weights of another network: size mismatch for fc.bias: copying a "
        "param with shape torch.Size([1000]) from checkpoint, the shape in current [...]"
    )


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    assert refusal(Inception(weights=tmp_path / "none.pth")) == (
        f"inception: cannot read {tmp_path / 'none.pth'}: No such file or directory"
    )
