"""What is measured is what training does: its operations are counted, its time is all there."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
import torch

from ganlab.benching.compare import Budget, interleave
from ganlab.benching.data import Offline, find_images, offline
from ganlab.benching.flops import flops_per_step
from ganlab.benching.trial import Trial
from ganlab.config.resolve import load_experiment
from ganlab.plugins import load_plugins
from ganlab.types import Prepared
from tests.training.helpers import TINY

Write = Callable[..., Path]
Build = Callable[..., Trial]
PLAIN: dict[str, Any] = {"regularizers": [], "augmentations": [], "callbacks": []}
R1 = "regularizers=[{type: r1, every: %d}]"


@pytest.fixture
def build(write_experiment: Write, workplace: Path) -> Build:
    """Build a trial of tiny components on the tiny images."""
    plugins = load_plugins([TINY])
    count = iter(range(10))

    def build(*overrides: str) -> Trial:
        exp = write_experiment(sections=PLAIN)
        one = load_experiment(exp, plugins, overrides).experiment
        data = find_images(one.dataset, root=None, at_least=8).prepared
        return Trial(one, data, folder=workplace / str(next(count)))

    return build


def test_operations_are_those_of_a_closed_form(build: Build) -> None:
    n, z, width, classes, pixels = 8, 4, 8, 4, 16 * 16
    g_first, g_last = (z + classes) * width, width * pixels
    conv, head = (4 * 4) * width * (4 * 4), width * 4 * 4
    # G draws once; its weights get gradients, and so does what its last layer sees.
    g = 2 * g_first + 3 * g_last
    # D sees real and generated images, and these once more for G; in its own step its weights get
    # gradients twice, in G's the images get one. The head's input gets one each time.
    d = (3 + 2 + 1) * conv + (3 + 2 + 3) * head
    assert flops_per_step(build()) == 2 * n * (g + d)


def test_what_acts_now_and_then_counts_as_often_as_it_acts(build: Build) -> None:
    never, always, second, third = (
        flops_per_step(build(*overrides))
        for overrides in ((), (R1 % 1,), (R1 % 2,), (R1 % 3, "train.d_steps=1"))
    )
    assert always > never
    assert second == pytest.approx((always + never) / 2)
    assert third == pytest.approx((always + 2 * never) / 3)


def test_counting_leaves_the_run_where_it_was(build: Build) -> None:
    trial = build()
    trial.turn(3)
    before = trial.run.progress
    flops_per_step(trial)
    assert trial.run.progress == before


def test_the_parts_are_all_of_the_time(build: Build) -> None:
    trial = build("train.ema={decay: 0.9}", "train.d_steps=2")
    turn = trial.turn(5)
    assert (turn.steps, trial.has_parts) == (5, True)
    assert sum(turn.parts.values()) == pytest.approx(turn.seconds)
    assert all(seconds > 0 for seconds in turn.parts.values())
    assert turn.host_seconds <= turn.seconds


def test_each_part_has_the_time_of_its_own_functions(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = build()
    trial.model.D.register_forward_pre_hook(lambda *_: time.sleep(0.02))
    adam = trial.model.optimizers["generator"]
    monkeypatch.setattr(adam, "zero_grad", lambda **_: time.sleep(0.1))
    parts = trial.turn(2).parts
    assert parts["discriminator"] > 2 * 2 * 0.02
    assert parts["generator"] > 2 * (0.02 + 0.1)


def test_optimizers_that_are_not_seen_to_step_are_noticed(build: Build) -> None:
    trial = build()
    for optimizer in trial.model.optimizers.values():
        optimizer._optimizer_step_post_hooks.clear()
    trial.turn(2)
    assert not trial.has_parts


def test_a_trial_writes_nothing_but_its_log(build: Build, workplace: Path) -> None:
    trial = build("train.log_every=2 steps", "train.sample_every=1 steps")
    trial.turn(5)
    files = {path.name for path in (workplace / "0").rglob("*") if path.is_file()}
    assert files == {"experiment.yaml", "config.yaml", "log.jsonl"}
    assert [record["step"] for record in trial.run.records()] == [2, 4, 6]


def test_a_trial_trains_as_a_run_does(build: Build) -> None:
    trial = build()
    before = [p.clone() for p in trial.model.G.parameters()]
    trial.turn(2)
    assert not any(map(torch.equal, before, trial.model.G.parameters()))


def test_turns_alternate() -> None:
    calls: list[tuple[str, int]] = []

    def call(name: str) -> Callable[[int], str]:
        return lambda turn: (calls.append((name, turn)), f"{name}{turn}")[1]

    assert interleave([call("a"), call("b")], 2) == [["a0", "a1"], ["b0", "b1"]]
    assert calls == [("a", 0), ("b", 0), ("a", 1), ("b", 1)]


@pytest.mark.parametrize(
    ("amount", "step_seconds", "period", "expected"),
    [
        (Budget(steps=9), 1, 1, [2, 2, 1, 1, 1, 1, 1]),
        (Budget(steps=3), 1, 16, [1, 1, 1]),
        (Budget(seconds=14), 0.5, 1, [4] * 7),
        (Budget(seconds=14), 0.2, 16, [16] * 7),  # 10 steps would do
        (Budget(seconds=14), 0.5, 16, [4] * 7),  # a period would take four times as long
        (Budget(seconds=1), 9, 1, [1] * 7),
    ],
)
def test_turns_are_as_long_as_asked_for(
    amount: Budget, step_seconds: float, period: int, expected: list[int]
) -> None:
    assert amount.turn_steps(step_seconds, period=period) == expected


def test_nothing_is_reached_offline_and_everything_afterwards() -> None:
    before = socket.getaddrinfo, socket.socket.connect
    with offline(), pytest.raises(OSError, match="a benchmark downloads nothing"):
        urlopen("http://127.0.0.1:9")
    with offline(), socket.socket() as one, pytest.raises(Offline):
        one.connect(("127.0.0.1", 9))
    assert (socket.getaddrinfo, socket.socket.connect) == before


def test_the_datasets_own_images_are_used_where_they_are(build: Build) -> None:
    data: Prepared = build().plan.data
    assert (data.source, len(data.images)) == ("tiny", 40)
