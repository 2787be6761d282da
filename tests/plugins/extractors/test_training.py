"""Training an extractor: equal seeds give equal weights, and one that fails is not saved."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from ganlab_plugins.extractors import _train, _training
from ganlab_plugins.extractors._cnn import Cnn1, Member
from ganlab_plugins.extractors._gates import (
    Findings,
    Gate,
    Statistics,
    class_counts,
    least_accuracy,
    rising_gate,
    with_noise,
)
from ganlab_plugins.extractors._training import (
    Recipe,
    _shifted,
    default_epochs,
    measure_features,
    one_thread,
    train,
)
from ganlab_plugins.extractors._weights import weights_sha256
from ganlab_plugins.extractors.cnn import Cnn

from ganlab.errors import DataError
from ganlab.events import Event, PhaseAdvanced, PhaseEnded, PhaseStarted
from ganlab.types import DataSpec, Prepared


@pytest.fixture(scope="module")
def colours() -> Prepared:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (300, 3, 16, 16), generator=generator, dtype=torch.uint8)
    return Prepared(images, torch.arange(300) % 4, DataSpec(4, 16, 3, tuple("abcd")), "sha", "made")


def test_equal_seeds_give_equal_weights_and_the_global_random_state_is_unchanged(
    colours: Prepared,
) -> None:
    torch.manual_seed(5)
    before, threads = torch.random.get_rng_state(), torch.get_num_threads()
    nets = [train(colours, Recipe("r", (seed,), 1)) for seed in (0, 0, 1)]
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.get_num_threads() == threads
    one, same, other = (weights_sha256(net.state_dict()) for net in nets)
    assert one == same != other


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reduce the number of training steps."""
    monkeypatch.setattr(_training, "STEPS", 30)


def test_training_makes_an_extractor_and_a_classifier_and_reports_progress(
    tmp_path: Path, colours: Prepared, quick: None
) -> None:
    told: list[Event] = []
    own = Cnn(directory=tmp_path / "own")
    files = own.train(brighter(colours), brighter(colours), tell=told.append)
    assert files == own.files("made")
    assert [file.name[:12] for file in files[::2]] == ["cnn1x3-made-", "judge1-made-"]
    steps = (3 * 15 + 45) * (300 // 128)
    assert told[:2] == [PhaseStarted("training the extractor", steps, "steps"), PhaseAdvanced(1)]
    assert told[-2:] == [PhaseAdvanced(steps), PhaseEnded("training the extractor")]
    card = json.loads(files[1].read_text())
    assert card["dataset"]["channels"] == 3
    assert [gate["name"] for gate in card["gates"]] == [
        "accuracy",
        "FID of images from themselves",
        "FID after noise of 2, 5, 10 %",
        "FID with 3, 2 classes",
    ]
    classifier = own.classifier("made", 3)
    assert classifier is not None
    assert classifier.class_names == tuple("abcd")
    features, logits = own.load("made", 3)(colours.images[:2])
    assert (features.shape, logits.shape) == ((2, 672), (2, 4))
    with pytest.raises(DataError) as caught:
        own.load("made", 1)
    assert str(caught.value) == f"{files[0].stem} is for images of 3 channels, not 1"


def brighter(data: Prepared) -> Prepared:
    """Return images whose classes differ in brightness and colour."""
    shades = torch.tensor([[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 128]])
    images = data.images // 2 + shades[data.labels][:, :, None, None]
    return replace(data, images=images.to(torch.uint8))


def test_networks_that_fail_a_gate_are_not_saved(
    tmp_path: Path, colours: Prepared, quick: None
) -> None:
    own = Cnn(directory=tmp_path / "own")
    test = replace(colours, labels=colours.labels.flip(0))
    with pytest.raises(DataError) as caught:
        own.train(colours, test)
    message = str(caught.value)
    assert message.startswith("cnn1x3-made-")
    assert " failed its checks and was not saved: accuracy is 0." in message
    assert ", not >= 0.75" in message
    assert not (tmp_path / "own").exists()


def test_if_the_classifier_fails_the_extractor_is_not_saved_either(
    tmp_path: Path, colours: Prepared, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = Findings(0.5, [Gate("accuracy", ">= 0.75", 0.5, False)], {})
    monkeypatch.setattr(_train, "examine_classifier", lambda *_: failed)
    with pytest.raises(DataError) as caught:
        Cnn(directory=tmp_path / "own").train(brighter(colours), brighter(colours))
    assert str(caught.value).startswith("judge1-made-")
    assert str(caught.value).endswith(
        " failed its checks and was not saved: accuracy is 0.5, not >= 0.75"
    )
    assert not (tmp_path / "own").exists()


def test_a_second_network_of_a_dataset_is_not_trained(tmp_path: Path, colours: Prepared) -> None:
    file = tmp_path / "judge1-made-0123456789ab.safetensors"
    file.touch()
    with pytest.raises(DataError) as caught:
        Cnn(directory=tmp_path).train(colours, colours)
    assert str(caught.value) == (
        f"{file} already exists, and scores may refer to it: move it away first"
    )


def test_the_sd_of_rare_features_has_a_minimum(colours: Prepared) -> None:
    member = Member(3, 4).eval()
    with torch.no_grad():
        member.hidden.bias[0] = -1e6  # always zero after ReLU
    measure_features(member, colours.images)
    first_hidden = -member.hidden.out_features
    raw = member.sd[member.sd > member.sd.min()]
    assert member.sd[first_hidden] == member.sd.min() > 0
    assert raw.min() > member.sd.min()
    features = Cnn1([member])(colours.images)[0]
    assert not features[:, first_hidden].any()


def test_images_are_shifted_by_up_to_two_pixels_with_replicate_padding() -> None:
    images = torch.arange(100, dtype=torch.uint8).view(1, 1, 10, 10).expand(200, 1, -1, -1)
    moved = _shifted(images, torch.Generator().manual_seed(0))
    corners = moved[:, 0, 5, 5] - 55
    allowed = {(10 * down + right) % 256 for down in range(-2, 3) for right in range(-2, 3)}
    assert set(corners.tolist()) == allowed
    borders = {0, 1, 2, 10, 11, 12, 20, 21, 22}
    assert set(moved[:, 0, 0, 0].tolist()) == borders


def test_small_datasets_get_more_epochs() -> None:
    assert [default_epochs(count) for count in (60_000, 50_000, 1500, 50)] == [1, 2, 64, 700]


def test_gates_measure_what_their_names_state() -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(500, 8, generator=generator)
    at = Statistics(features)
    assert abs(at.distance(features)) < 1e-6
    assert at.distance(features + 2) == pytest.approx(8 * 2**2, rel=1e-5)
    assert at.distance(features * 3) == pytest.approx(
        float(4 * features.double().var(0).sum() + 4 * features.double().mean(0).square().sum()),
        rel=1e-5,
    )
    assert rising_gate("x", [1.0, 2.0, 3.0]).passed
    assert not rising_gate("x", [1.0, 1.0, 3.0]).passed
    grey = torch.full((100, 1, 32, 32), 128, dtype=torch.uint8)
    noise = with_noise(grey, 5, generator).float() - 128
    assert noise.std().item() == pytest.approx(255 * 0.05, rel=0.01)


def test_requirements_depend_on_the_dataset(colours: Prepared) -> None:
    def demand(source: str, images: int, num_classes: int) -> float:
        spec = DataSpec(num_classes, 8, 1, tuple(map(str, range(num_classes))))
        data = Prepared(torch.zeros(images, 1, 1, 1), torch.zeros(images), spec, "sha", source)
        return least_accuracy(data)

    assert demand("mnist", 60_000, 10) == 0.98
    assert demand("digits", 1_500, 10) == 0.95
    assert demand("mnist", 500, 10) == demand("cifar10", 50_000, 10) == pytest.approx(0.3)
    assert demand("pairs", 1000, 2) == 0.75
    assert [class_counts(count) for count in (2, 3, 4, 10, 100)] == [
        [1],
        [2, 1],
        [3, 2],
        [9, 8, 5],
        [90, 80, 50],
    ]


def test_one_thread_restores_the_number_of_threads_after_an_error() -> None:
    before = torch.get_num_threads()
    with pytest.raises(ZeroDivisionError), one_thread():
        raise ZeroDivisionError
    assert torch.get_num_threads() == before
