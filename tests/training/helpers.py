"""Reading what runs left, and running them in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from ganlab.config.experiment import Train
from ganlab.data.batches import Batches
from ganlab.run_directory import Progress
from ganlab.training.iteration import Scalars, iterate
from ganlab.training.model import Model
from ganlab.types import Batch

TINY = Path(__file__).parents[1] / "tiny_plugins"


def only_run(folder: Path) -> Path:
    """Return the only run directory below ``runs``."""
    (run,) = (
        file.parent for file in (folder / "runs").glob("*/*/run.json") if "~" not in str(file)
    )
    return run


def newest_state(run: Path) -> dict[str, Tensor]:
    """Return every tensor of the newest checkpoint."""
    return load_file(max((run / "checkpoints").glob("step-*.safetensors")))


def assert_same_state(a: dict[str, Tensor], b: dict[str, Tensor]) -> None:
    assert a.keys() == b.keys()
    for name in a:
        assert torch.equal(a[name], b[name]), name


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "ganlab", "--plugins-dir", str(TINY), *map(str, arguments)]


def start(*arguments: str | Path, cwd: Path, script: str | None = None) -> subprocess.Popen[str]:
    """Start the command line as a process; with a script, as Python code around it."""
    line = command(*arguments)
    if script is not None:
        line = [sys.executable, "-c", script, *line[3:]]
    return subprocess.Popen(
        line,
        cwd=cwd,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def alive(process: int) -> bool:
    """True for a process that runs; one that ended, noticed by its parent or not, does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def iterate_once(model: Model, batches: Batches, at: Progress, options: Train) -> Scalars:
    """Do one iteration on the batches that the loop would take."""
    reals = [Batch(*batches.batch(at.batches + i)) for i in range(options.d_steps)]
    return iterate(model, reals, at, options, draw_labels=batches.labels)
