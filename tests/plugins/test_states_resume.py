"""The states of shipped components are saved: a stopped run resumes with equal results."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

from click.testing import Result

from tests.training.helpers import assert_same_state, newest_state, only_run, start

PARTS = {
    "regularizers": [
        {"type": "lecam", "start_steps": 2},
        {"type": "path-length", "every": 2},
        {"type": "r1", "gamma": "1 to 0.1 over 100 images", "every": 3},
    ],
    "augmentations": [
        {"type": "ada", "p": 0.2, "images_to_full": 400},
        {"type": "apa", "p": 0.2, "images_to_full": 400},
    ],
}


def test_a_killed_run_with_every_state_gives_the_weights_of_an_uninterrupted_one(
    write_experiment: Callable[..., Path], ganlab: Callable[..., Result], workplace: Path
) -> None:
    exp = write_experiment(sections=PARTS, steps=30, checkpoint_every="3 steps")
    whole = ganlab("run", exp, "--runs-dir", "whole/runs")
    assert whole.exit_code == 0, whole.output

    halted = start("run", exp, "--runs-dir", "killed/runs", cwd=workplace)
    deadline = time.monotonic() + 300
    while not list((workplace / "killed").glob("runs/*/*/checkpoints/step-*.safetensors")):
        assert halted.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)
    halted.send_signal(signal.SIGKILL)
    halted.communicate()
    again = ganlab("run", exp, "--runs-dir", "killed/runs")
    assert again.exit_code == 0, again.output

    state = newest_state(only_run(workplace / "whole"))
    assert_same_state(state, newest_state(only_run(workplace / "killed")))
    assert {"augmentations.ada/p", "augmentations.apa/p", "regularizers.lecam/real"} <= {*state}
    assert state["augmentations.ada/p"] != 0.2
    assert state["regularizers.lecam/updates"] == 30
    assert state["regularizers.path-length/mean"] > 0
