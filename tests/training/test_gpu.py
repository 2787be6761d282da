"""What only a GPU can show: the same weights when asked for, and no waiting for the device."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from click.testing import Result

from ganlab.config.resolve import load_experiment
from ganlab.data.batches import Batches
from ganlab.data.prepare import prepare
from ganlab.plugins import Plugins
from ganlab.run_directory import Progress
from ganlab.seeds import derive_seed, seed_everything
from ganlab.training.loop import advanced
from ganlab.training.model import build_model
from ganlab.training.precision import choose
from tests.training.helpers import (
    TINY,
    assert_same_state,
    iterate_once,
    newest_state,
    only_run,
)

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
Write = Callable[..., Path]
Ganlab = Callable[..., Result]


def test_deterministic_runs_give_the_same_weights_and_resume_exactly(
    write_experiment: Write, ganlab: Ganlab, workplace: Path
) -> None:
    exp = write_experiment(steps=12, device="cuda", precision="bf16", deterministic=True)
    for place in ("a", "b"):
        assert ganlab("run", exp, "--runs-dir", f"{place}/runs").exit_code == 0
    assert ganlab("run", exp, "--runs-dir", "c/runs", "-s", "train.steps=5").exit_code == 0
    assert ganlab("run", exp, "--runs-dir", "c/runs").exit_code == 0
    a, b, c = (newest_state(only_run(workplace / place)) for place in "abc")
    assert_same_state(a, b)
    assert_same_state(a, c)


def test_a_hundred_steps_never_wait_for_the_device(write_experiment: Write) -> None:
    plugins = Plugins()
    plugins.load_folder(TINY)
    experiment = load_experiment(write_experiment(device="cuda"), plugins).experiment
    data = prepare(experiment.dataset)
    model = build_model(experiment, data.spec, choose(experiment.train))
    device = model.choices.device
    batches = Batches(data, batch_size=8, seed=0, device=device)
    at = Progress()
    for i in range(110):
        # The first steps allocate, and the first pass is put in order.
        torch.cuda.set_sync_debug_mode("error" if i >= 10 else "default")
        try:
            seed_everything(derive_seed(0, "step", i), device)
            iterate_once(model, batches, at, experiment.train)
        finally:
            torch.cuda.set_sync_debug_mode("default")
        at = advanced(at, experiment.train, dataset_size=batches.size, seconds=0)
