"""A dataset is prepared, trained on and scored in less memory than its images take."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.training.helpers import TINY

COUNT = 6_000
BYTES = COUNT * 3 * 128 * 128  # 295 MB

LARGE = """
import numpy as np
from PIL import Image
from ganlab import Dataset, Images, hookimpl

def pictures(count):
    for number in range(count):
        colour = (number % 251, number % 83, number % 31)
        yield Image.new("L", (128, 128), number % 251) if number < 1000 else (
            Image.new("RGB", (128, 128), colour)
        )

class Large(Dataset):
    \"\"\"Pictures that are made when they are asked for; the first thousand are grey.\"\"\"

    name = "large"
    image_size: int = 128

    def read(self, root, split):
        count = COUNT if split == "train" else 40
        return Images(pictures(count), np.arange(count) % 4, ("dark", "dim", "light", "bright"))

@hookimpl
def register_datasets():
    return [Large]
"""

# Linux counts mapped images as data, though they take no memory. The limit is what the process has
# after a small run, when all is imported, and the mapped images, and half as much to work with.
CHILD = """
import resource, sys, threading
from pathlib import Path
threading.stack_size(2**18)  # pictures are decoded in as many threads as there are processors
from ganlab.cli import cli
from ganlab.training import precision

precision.keep_memory = lambda: None  # what is in use counts here, not what is kept

def limit(mapped):
    # by so many times the images' size, and a half
    rows = Path("/proc/self/status").read_text().splitlines()
    used = 1024 * next(int(row.split()[1]) for row in rows if row.startswith("VmData"))
    most = used + int(images) * mapped + int(images) // 2
    resource.setrlimit(resource.RLIMIT_DATA, (most, resource.RLIM_INFINITY))

images, tiny, small, large = sys.argv[1:]
cli(["--plugins-dir", tiny, "run", small], standalone_mode=False)
limit(1)
cli(["--plugins-dir", tiny, "run", large], standalone_mode=False)

sys.path.insert(0, "plugins")
import torch
from large import Large
from ganlab.data import memory_mapped
from ganlab.data.prepare import prepare
from ganlab.evaluation.features import halves, real_metric_input
from ganlab.nn import ExtractorNet

class Mean(ExtractorNet):
    id = "mean"

    def forward(self, images):
        return images.float().mean((2, 3)), images[:, 0, :4, 0].float()

memory_mapped.MOST_BYTES = 2**24
limit(2)
data = prepare(Large())
some, rest = halves(real_metric_input(data, Mean()), samples=100)
means = torch.cat([part.float().mean((2, 3)) for part in rest.images.split(100)])
print("scored:", len(some.images), len(rest.images), torch.equal(means, rest.features))
limit(0)
try:
    data.images.clone()
except RuntimeError as error:
    print("a copy does not fit:", "allocate memory" in str(error))
"""


def test_a_run_and_its_reference_need_less_memory_than_its_images(
    cache: Path, write_experiment: Callable[..., Path], workplace: Path
) -> None:
    (workplace / "plugins").mkdir()
    (workplace / "plugins" / "large.py").write_text(LARGE.replace("COUNT", str(COUNT)))
    train = {"steps": 20, "batch_size": 16, "d_steps": 2, "data": "stream"}
    large = {"dataset": {"type": "large", "flip": True}}
    files = [
        write_experiment("small.yaml", **train),
        write_experiment("large.yaml", sections=large, **train),
    ]
    done = subprocess.run(
        [sys.executable, "-c", CHILD, *map(str, [BYTES, TINY, *files])],
        capture_output=True,
        text=True,
        # Whatever is freed is given back at once: what is in use is what counts.
        env={**os.environ, "GANLAB_CACHE": str(cache), "MALLOC_MMAP_THRESHOLD_": "65536"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-2:] == [
        f"scored: 100 {COUNT - 100} True",
        "a copy does not fit: True",
    ], done.stderr
    info = json.loads(next(workplace.glob("runs/large/*/run.json")).read_text())
    assert info["status"] == "finished"
    assert info["dataset"]["images"] == COUNT
    assert info["sessions"][0]["data"] == "stream"
