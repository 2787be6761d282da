"""Checks of callbacks."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import torch

from ganlab.components import Callback
from ganlab.run_directory import RunDirectory
from ganlab.seeds import seeded
from ganlab.testing.harness import CPU, experiment_of, make_harness
from ganlab.testing.report import Findings


def check_callback(found: Findings, callback: Callback) -> None:
    """Call every hook for two steps of a small run in a temporary folder.

    The second step is logged twice, as it may be after a crash.
    """
    with (
        tempfile.TemporaryDirectory() as folder,
        found.group("calls", "every hook, in their order"),
    ):
        harness = make_harness(experiment_of(callback))
        run = RunDirectory(Path(folder) / "kit" / "run", info={"experiment": "kit", "seed": 0})
        for path in (run.path, run.checkpoints, run.samples):
            path.mkdir(parents=True, exist_ok=True)
        here = os.getcwd()
        before = {k: v.clone() for k, v in harness.tensors().items()}
        with seeded(0, CPU), found.guarded("on_run_start()"):
            callback.on_run_start(run)
        for _ in range(2):
            with seeded(0, CPU):
                scalars = harness.step()
                before = {k: v.clone() for k, v in harness.tensors().items()}
            run.progress = harness.at
            with found.guarded("on_step_end()"):
                callback.on_step_end(run, harness.at.steps, scalars)
        records = [{"step": i + 1, **losses} for i, losses in enumerate(harness.losses)]
        with found.guarded("on_log()"):
            callback.on_log(run, records)
            callback.on_log(run, records[1:])  # after a crash, a step can be repeated
        with found.guarded("on_evaluate()"):
            callback.on_evaluate(run, harness.at.steps, {"kit": 0.5})
        with found.guarded("on_run_end()"):
            callback.on_run_end(run, None)
        same = all(torch.equal(before[k], v) for k, v in harness.tensors().items())
        found.expect(same, "run", "weights that the callback leaves alone", "others")
        found.expect(os.getcwd() == here, "run", "the working directory as it was", os.getcwd())
