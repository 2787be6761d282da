"""Writing behind training: in order, bounded, and no error is lost."""

from __future__ import annotations

import threading
from functools import partial

import pytest

from ganlab.background import MAX_PENDING, Background


def test_outside_jobs_are_done_at_once() -> None:
    done: list[int] = []
    Background().submit(partial(done.append, 1))
    assert done == [1]


def test_inside_they_are_done_in_order_by_another_thread_and_all_before_it_is_left() -> None:
    done: list[int] = []
    threads = set()
    background, gate = Background(), threading.Event()
    with background.in_thread():
        background.submit(partial(gate.wait, 10))
        for number in range(MAX_PENDING - 2):
            background.submit(partial(done.append, number))
        background.submit(lambda: threads.add(threading.current_thread()))
        assert done == []  # the caller went on meanwhile
        gate.set()
    assert done == list(range(MAX_PENDING - 2))
    assert len(threads) == 1
    assert threading.current_thread() not in threads


def test_whoever_hands_over_too_much_waits() -> None:
    background, gate = Background(), threading.Event()
    timer = threading.Timer(0.2, gate.set)
    with background.in_thread():
        for _ in range(MAX_PENDING):
            background.submit(partial(gate.wait, 10))
        timer.start()
        background.submit(lambda: None)
        assert gate.is_set()


def fail() -> None:
    raise OSError("full")


def test_after_a_failure_nothing_is_done_and_the_next_call_raises_it() -> None:
    done: list[int] = []
    background = Background()

    def hand_over() -> None:
        with background.in_thread():
            background.submit(fail)
            background.submit(partial(done.append, 1))
            background.wait()

    with pytest.raises(OSError, match="full"):
        hand_over()
    assert done == []
    background.submit(partial(done.append, 2))
    assert done == [2]


def test_a_failure_of_the_last_job_is_raised_on_leaving() -> None:
    background = Background()
    with pytest.raises(OSError, match="full"), background.in_thread():
        background.submit(fail)


def test_the_error_of_the_block_goes_first() -> None:
    background = Background()

    def fail_twice() -> None:
        with background.in_thread():
            background.submit(fail)
            raise ValueError("inside")

    with pytest.raises(ValueError, match="inside"):
        fail_twice()
