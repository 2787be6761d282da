"""Compiled networks: the same numbers but for rounding, and one line where they cannot be had."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from click.testing import Result

from ganlab.config.experiment import Train
from ganlab.errors import ConfigError
from ganlab.training.precision import choose
from tests.training.helpers import newest_state, only_run, start

Write = Callable[..., Path]
Ganlab = Callable[..., Result]


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # torch warns of what its own tracing looks at
def test_compiled_networks_learn_the_same(
    write_experiment: Write, ganlab: Ganlab, workplace: Path
) -> None:
    exp = write_experiment(steps=4, precision="fp32", d_steps=2, same_fakes=False)
    # Adam would divide gradients that are rounding alone by themselves.
    sgd = ("-s", "optimizer={type: sgd, lr: 0.01}")
    states = []
    for place, choice in (("a", "off"), ("b", "on")):
        runs = ("--runs-dir", f"{place}/runs", "-s", f"train.compile={choice}")
        result = ganlab("run", exp, *runs, *sgd)
        assert result.exit_code == 0, result.output
        assert ("compiled" in result.output) == (choice == "on")
        run = only_run(workplace / place)
        assert json.loads((run / "run.json").read_text())["choices"]["compile"] == choice
        states.append(newest_state(run))
    assert states[0].keys() == states[1].keys()
    for name, value in states[0].items():
        torch.testing.assert_close(states[1][name], value, rtol=1e-3, atol=1e-5, msg=name)
    assert any(not torch.equal(value, states[1][name]) for name, value in states[0].items())


def test_without_a_compiler_one_line_says_what_to_do(
    write_experiment: Write, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", "/nonexistent")
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(workplace / "kernels"))
    process = start("run", write_experiment(), "-s", "train.compile=on", cwd=workplace)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 1
    last = errors.rstrip().splitlines()[-1]
    assert last.startswith("Error: the networks cannot be compiled: InvalidCxxCompiler: No working")
    assert last.endswith("; set train.compile=off")


def test_graphs_need_a_gpu() -> None:
    with pytest.raises(ConfigError, match="CUDA graphs need a GPU, not cpu"):
        choose(Train(compile="graphs", device="cpu"))


def test_a_resume_keeps_what_was_chosen_unless_something_else_is_asked_for() -> None:
    recorded = {"precision": "fp32", "channels_last": False, "conv_as_matmul": True}
    kept = choose(Train(precision="auto", device="cpu"), recorded=recorded)
    assert (kept.precision, kept.channels_last, kept.conv_as_matmul) == ("fp32", False, True)
    assert not choose(Train(conv_as_matmul="off", device="cpu"), recorded=recorded).conv_as_matmul
    assert choose(Train(conv_as_matmul="on", device="cpu", precision="fp32")).conv_as_matmul
    assert not choose(Train(device="cpu", precision="fp32")).conv_as_matmul
