"""Batches that are read ahead are those of a dataset in memory; who reads them leaves no trace."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from ganlab.data import stream
from ganlab.data.batches import Batches
from ganlab.data.prepare import prepare
from ganlab.errors import DataError, RunError
from ganlab.machine import available_cpus
from ganlab.types import DataSpec, Prepared
from tests.data.given import given, numbered

CPU = torch.device("cpu")


def noisy(n: int = 50) -> Prepared:
    images = torch.randint(256, (n, 3, 8, 8), dtype=torch.uint8)
    return Prepared(images, torch.arange(n) % 5, DataSpec(5, 8, 3, tuple("abcde")), "", "noisy")


@contextmanager
def streamed(data: Prepared, **options: Any) -> Iterator[Batches]:
    options = {"batch_size": 12, "seed": 3, "device": CPU, **options}
    batches = Batches(data, placement="stream", **options)
    try:
        yield batches
    finally:
        batches.close()


def resident(data: Prepared, **options: Any) -> Batches:
    return Batches(data, **{"batch_size": 12, "seed": 3, "device": CPU, **options})


def readers() -> list[int]:
    """Return the processes that this one has started and that live."""
    mine = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
        except OSError:  # it has just ended
            continue
        if int(parent) == os.getpid() and state != "Z":
            mine.append(int(stat.parent.name))
    return mine


def all_of(batches: Batches) -> None:
    for number in range(1, 100):
        batches.batch(number)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("flip", [False, True])
def test_batches_are_the_same_bit_for_bit_in_any_order_of_asking(
    flip: bool, dtype: torch.dtype
) -> None:
    data = noisy()
    whole = resident(data, flip=flip, dtype=dtype)
    with streamed(data, flip=flip, dtype=dtype) as batches:
        # 50 images in batches of 12: numbers 4 and 8 straddle two passes.
        for number in [*range(10), 40, 41, 7, 7, 0]:
            torch.manual_seed(number)
            expected = *whole.batch(number), torch.rand(3)
            torch.manual_seed(number)
            found = *batches.batch(number), torch.rand(3)
            for a, b in zip(expected, found, strict=True):
                assert a.dtype == b.dtype
                assert torch.equal(a, b), number


def test_large_batches_are_fewer_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []
    loader = stream.DataLoader

    def watched(*arguments: Any, **options: Any) -> Any:
        taken.append(options["prefetch_factor"] * options["num_workers"])
        return loader(*arguments, **options)

    monkeypatch.setattr(stream, "DataLoader", watched)
    readers_used = min(2, available_cpus())
    data = noisy()
    for most in (0, 4 * 12 * 192, 2**25):
        monkeypatch.setattr(stream, "PREFETCH_BYTES", most)
        with streamed(data) as batches:
            assert torch.equal(batches.batch(0)[0], resident(data).batch(0)[0])
    assert taken == [readers_used, 4, 4 * readers_used]


def test_labels_are_drawn_as_from_a_dataset_in_memory() -> None:
    data = noisy()
    with streamed(data) as batches:
        torch.manual_seed(0)
        drawn = batches.labels(100)
    torch.manual_seed(0)
    assert torch.equal(drawn, resident(data).labels(100))


def test_mapped_images_are_read_ahead_too(cache: Path) -> None:
    dataset = given(numbered(60), [0, 1, 2] * 20)
    data = prepare(dataset)
    with streamed(data, batch_size=20) as batches:
        for number in range(5):
            x, y = batches.batch(number)
            assert torch.equal(((x[:, 0, 0, 0] + 1) * 127.5).round().long() % 3, y)


def test_a_dataset_smaller_than_a_batch_is_refused_before_anybody_reads() -> None:
    with pytest.raises(DataError), streamed(noisy(10)):
        pass
    assert readers() == []


def test_readers_are_gone_after_close_and_come_back_when_asked() -> None:
    data = noisy()
    with streamed(data) as batches:
        assert readers() == []
        batches.batch(0)
        assert len(readers()) >= 1
        batches.close()
        assert readers() == []
        assert torch.equal(batches.batch(1)[0], resident(data).batch(1)[0])
    assert readers() == []


def test_asking_elsewhere_leaves_no_reader_behind() -> None:
    with streamed(noisy()) as batches:
        batches.batch(0)
        first = readers()
        batches.batch(20)
        assert len(readers()) == len(first)
        assert not set(readers()) & set(first)


def test_who_forgets_a_stream_ends_it() -> None:
    batches = Batches(noisy(), batch_size=12, seed=3, device=CPU, placement="stream")
    batches.batch(0)
    assert readers()
    del batches
    assert readers() == []


def test_a_killed_reader_gives_one_clear_error_and_takes_the_others_along() -> None:
    with streamed(noisy()) as batches:
        batches.batch(0)
        for reader in readers():
            os.kill(reader, signal.SIGKILL)
        time.sleep(0.3)  # nothing is raised here, where something else may be going on
        with pytest.raises(RunError) as error:
            all_of(batches)
        assert readers() == []
        assert str(error.value).startswith("a process that reads images ahead has ended (")
        assert str(error.value).endswith(
            "perhaps because memory ran out; run the same command again to resume"
        )


def test_signals_to_the_group_and_from_the_terminal_pass_readers_by() -> None:
    with streamed(noisy()) as batches:
        batches.batch(0)
        time.sleep(0.1)
        groups = {os.getpgid(reader) for reader in readers()}
        assert groups == set(readers())
        assert os.getpgid(0) not in groups


def test_a_stream_works_in_a_thread_of_its_own() -> None:
    data = noisy()
    found: list[torch.Tensor] = []

    def read() -> None:
        with streamed(data) as batches:
            found.extend(batches.batch(number)[0] for number in range(5))

    thread = threading.Thread(target=read)
    thread.start()
    thread.join()
    whole = resident(data)
    assert all(torch.equal(x, whole.batch(number)[0]) for number, x in enumerate(found))
    assert len(found) == 5
    assert readers() == []


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_gpu_batches_are_the_same_and_nobody_waits_for_it() -> None:
    data, device = noisy(), torch.device("cuda", 0)
    whole = resident(data, device=device, flip=True)
    with streamed(data, device=device, flip=True) as batches:
        for number in range(20):
            torch.cuda.manual_seed(number)
            expected = whole.batch(number)
            torch.cuda.manual_seed(number)
            # The first ones allocate, and the first pass is put in order.
            torch.cuda.set_sync_debug_mode("error" if number >= 10 else "default")
            try:
                found = batches.batch(number)
            finally:
                torch.cuda.set_sync_debug_mode("default")
            for a, b in zip(expected, found, strict=True):
                assert b.device == device
                assert torch.equal(a, b), number
    assert readers() == []
