"""Making an extractor: the same seed gives the same weights, and a bad one is not written."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from ganlab_plugins.datasets.digits import Digits
from ganlab_plugins.extractors._cnn import Cnn1, Member
from ganlab_plugins.extractors._gates import Statistics, least_accuracy, rising, with_noise
from ganlab_plugins.extractors._train import make
from ganlab_plugins.extractors._training import (
    Recipe,
    _shifted,
    default_epochs,
    measure_features,
    one_thread,
    train,
)
from ganlab_plugins.extractors._weights import weights_sha256

from ganlab.data.prepare import prepare
from ganlab.data.prepared import Prepared
from ganlab.errors import DataError
from ganlab.step import DataSpec


@pytest.fixture(scope="module")
def colours() -> Prepared:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (300, 3, 16, 16), generator=generator, dtype=torch.uint8)
    return Prepared(images, torch.arange(300) % 4, DataSpec(4, 16, 3, tuple("abcd")), "sha", "made")


def test_the_same_seed_gives_the_same_weights_and_touches_no_generator(colours: Prepared) -> None:
    torch.manual_seed(5)
    before, threads = torch.random.get_rng_state(), torch.get_num_threads()
    nets = [train(colours, Recipe("r", (seed,), 1)) for seed in (0, 0, 1)]
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.get_num_threads() == threads
    one, same, other = (weights_sha256(net.state_dict()) for net in nets)
    assert one == same != other


def test_a_network_below_its_gates_is_not_written(tmp_path: Path) -> None:
    data = prepare(Digits(image_size=16, limit=200))
    test = prepare(Digits(image_size=16), split="test")
    with pytest.raises(DataError) as caught:
        make(Recipe("judge1", (0,), 1), data, test, tmp_path)
    message = str(caught.value)
    assert message.startswith("judge1-digits-")
    assert " is not fit to measure and was not written: accuracy is 0." in message
    assert message.endswith(", not >= 0.95")
    assert list(tmp_path.iterdir()) == []


def test_a_second_network_of_a_dataset_is_not_made(tmp_path: Path, colours: Prepared) -> None:
    file = tmp_path / "judge1-made-0123456789ab.safetensors"
    file.touch()
    with pytest.raises(DataError) as caught:
        make(Recipe("judge1", (0,), 1), colours, colours, tmp_path)
    assert str(caught.value) == (
        f"{file} is there already, and scores may name it: move it away first"
    )


def test_the_sd_of_rare_features_has_a_floor(colours: Prepared) -> None:
    member = Member(3, 4).eval()
    with torch.no_grad():
        member.hidden.bias[0] = -1e6  # never fires
    measure_features(member, colours.images)
    first_hidden = -member.hidden.out_features
    raw = member.sd[member.sd > member.sd.min()]
    assert member.sd[first_hidden] == member.sd.min() > 0
    assert raw.min() > member.sd.min()
    features = Cnn1([member])(colours.images)[0]
    assert not features[:, first_hidden].any()


def test_shifts_move_each_image_by_two_pixels_at_most_and_repeat_the_border() -> None:
    images = torch.arange(100, dtype=torch.uint8).view(1, 1, 10, 10).expand(200, 1, -1, -1)
    moved = _shifted(images, torch.Generator().manual_seed(0))
    corners = moved[:, 0, 5, 5] - 55
    allowed = {(10 * down + right) % 256 for down in range(-2, 3) for right in range(-2, 3)}
    assert set(corners.tolist()) == allowed
    borders = {0, 1, 2, 10, 11, 12, 20, 21, 22}
    assert set(moved[:, 0, 0, 0].tolist()) == borders


def test_small_datasets_are_seen_more_often() -> None:
    assert [default_epochs(count) for count in (60_000, 50_000, 1500, 50)] == [1, 2, 64, 700]


def test_gates_measure_what_they_say() -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(500, 8, generator=generator)
    at = Statistics(features)
    assert abs(at.distance(features)) < 1e-6
    assert at.distance(features + 2) == pytest.approx(8 * 2**2, rel=1e-5)
    assert at.distance(features * 3) == pytest.approx(
        float(4 * features.double().var(0).sum() + 4 * features.double().mean(0).square().sum()),
        rel=1e-5,
    )
    assert rising("x", [1.0, 2.0, 3.0]).passed
    assert not rising("x", [1.0, 1.0, 3.0]).passed
    grey = torch.full((100, 1, 32, 32), 128, dtype=torch.uint8)
    noise = with_noise(grey, 5, generator).float() - 128
    assert noise.std().item() == pytest.approx(255 * 0.05, rel=0.01)
    assert [least_accuracy(name, 10) for name in ("mnist", "digits", "cifar10")] == [
        0.98,
        0.95,
        pytest.approx(0.3),
    ]
    assert least_accuracy("pairs", 2) == 0.75


def test_one_thread_ends_when_something_fails() -> None:
    before = torch.get_num_threads()
    with pytest.raises(ZeroDivisionError), one_thread():
        raise ZeroDivisionError
    assert torch.get_num_threads() == before
