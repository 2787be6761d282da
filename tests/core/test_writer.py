"""Writing behind training: in order, bounded, and no error is lost."""

from __future__ import annotations

import threading
from functools import partial

import pytest

from ganlab.writer import WAITING, Writer


def test_outside_jobs_are_done_at_once() -> None:
    done: list[int] = []
    Writer().do(partial(done.append, 1))
    assert done == [1]


def test_inside_they_are_done_in_order_by_another_thread_and_all_before_it_is_left() -> None:
    done: list[int] = []
    threads = set()
    writer, gate = Writer(), threading.Event()
    with writer.behind():
        writer.do(partial(gate.wait, 10))
        for number in range(WAITING - 2):
            writer.do(partial(done.append, number))
        writer.do(lambda: threads.add(threading.current_thread()))
        assert done == []  # the caller went on meanwhile
        gate.set()
    assert done == list(range(WAITING - 2))
    assert len(threads) == 1
    assert threading.current_thread() not in threads


def test_whoever_hands_over_too_much_waits() -> None:
    writer, gate = Writer(), threading.Event()
    timer = threading.Timer(0.2, gate.set)
    with writer.behind():
        for _ in range(WAITING):
            writer.do(partial(gate.wait, 10))
        timer.start()
        writer.do(lambda: None)
        assert gate.is_set()


def fail() -> None:
    raise OSError("full")


def test_after_a_failure_nothing_is_done_and_the_next_call_raises_it() -> None:
    done: list[int] = []
    writer = Writer()

    def hand_over() -> None:
        with writer.behind():
            writer.do(fail)
            writer.do(partial(done.append, 1))
            writer.wait()

    with pytest.raises(OSError, match="full"):
        hand_over()
    assert done == []
    writer.do(partial(done.append, 2))
    assert done == [2]


def test_a_failure_of_the_last_job_is_raised_on_leaving() -> None:
    writer = Writer()
    with pytest.raises(OSError, match="full"), writer.behind():
        writer.do(fail)


def test_the_error_of_the_block_goes_first() -> None:
    writer = Writer()

    def fail_twice() -> None:
        with writer.behind():
            writer.do(fail)
            raise ValueError("inside")

    with pytest.raises(ValueError, match="inside"):
        fail_twice()
