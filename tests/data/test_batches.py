"""The stream of batches is endless, complete, shuffled, and known by number alone."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ganlab.data.batches import Batches
from ganlab.errors import DataError
from ganlab.types import DataSpec, Prepared

CPU = torch.device("cpu")


def numbered(n: int) -> Prepared:
    """Return n images of 2 x 2 whose first pixel, and label, is their number."""
    images = torch.zeros(n, 1, 2, 2, dtype=torch.uint8)
    images[:, 0, 0, 0] = torch.arange(n)
    names = tuple(str(i) for i in range(n))
    return Prepared(images, torch.arange(n), DataSpec(n, 2, 1, names), "", "numbered")


def stream(batches: Batches, count: int) -> Tensor:
    return torch.cat([batches.batch(number)[1] for number in range(count)])


def test_every_pass_has_every_image_once_and_no_batch_is_partial() -> None:
    seen = stream(Batches(numbered(10), batch_size=4, seed=0, device=CPU), 15)  # 60 = 6 passes
    assert len(seen) == 60
    for order in seen.view(6, 10):
        assert order.sort().values.tolist() == list(range(10))


def test_every_pass_has_another_order_and_so_has_every_seed() -> None:
    orders = {
        tuple(order.tolist())
        for seed in range(4)
        for order in stream(Batches(numbered(50), batch_size=50, seed=seed, device=CPU), 4).split(
            50
        )
    }
    assert len(orders) == 16


def test_the_second_pass_of_a_seed_is_not_the_first_of_the_next_seed() -> None:
    first, second = (Batches(numbered(50), batch_size=50, seed=s, device=CPU) for s in (0, 1))
    assert first.batch(1)[1].tolist() != second.batch(0)[1].tolist()


def test_a_batch_depends_on_its_number_and_not_on_what_came_before() -> None:
    walked = Batches(numbered(10), batch_size=4, seed=3, device=CPU)
    expected = [walked.batch(number)[1].tolist() for number in range(20)]
    jumped = Batches(numbered(10), batch_size=4, seed=3, device=CPU)
    for number in (17, 2, 19, 0, 7, 8):
        assert jumped.batch(number)[1].tolist() == expected[number]


def test_orders_draw_nothing_from_the_global_generator() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    stream(Batches(numbered(10), batch_size=4, seed=0, device=CPU), 10)
    assert torch.equal(torch.get_rng_state(), before)


def test_images_go_with_their_labels_and_black_is_minus_1_and_white_is_1() -> None:
    data = numbered(256)
    x, y = Batches(data, batch_size=256, seed=0, device=CPU).batch(0)
    assert x.dtype == torch.float32
    assert x.shape == (256, 1, 2, 2)
    assert torch.allclose(x[:, 0, 0, 0], y / 127.5 - 1, atol=1e-7)
    assert x.min() == -1
    assert x.max() == 1


def test_bfloat16_rounds_once_and_keeps_the_ends() -> None:
    x32, _ = Batches(numbered(256), batch_size=256, seed=0, device=CPU).batch(0)
    x, _ = Batches(numbered(256), batch_size=256, seed=0, device=CPU, dtype=torch.bfloat16).batch(0)
    assert torch.equal(x, x32.bfloat16())


def test_flip_mirrors_half_of_the_images_left_to_right_and_repeats_with_the_seed() -> None:
    data = numbered(200)
    data.images[:, 0, 0, 0] = 255
    batches = Batches(data, batch_size=200, seed=0, device=CPU, flip=True)
    torch.manual_seed(0)
    x, _ = batches.batch(0)
    torch.manual_seed(0)
    again, _ = batches.batch(0)
    left, right = (x[:, 0, 0, 0] == 1), (x[:, 0, 0, 1] == 1)
    assert torch.equal(x, again)
    assert torch.equal(left, ~right)
    assert 70 < int(right.sum()) < 130
    assert (x[:, 0, 1] == -1).all()


def test_labels_are_distributed_as_in_the_data() -> None:
    data = numbered(4)
    data.labels[:] = torch.tensor([0, 0, 0, 1])
    torch.manual_seed(0)
    y = Batches(data, batch_size=4, seed=0, device=CPU).labels(4000)
    assert y.shape == (4000,)
    assert 900 < int(y.sum()) < 1100


def test_a_dataset_smaller_than_a_batch_is_refused() -> None:
    with pytest.raises(DataError) as error:
        Batches(numbered(50), batch_size=128, seed=0, device=CPU)
    assert str(error.value) == (
        "numbered has 50 images, fewer than a batch of 128: set train.batch_size to 50 or less"
    )
