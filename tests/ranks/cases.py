"""What several processes must learn as one does: every shipped part, and the options of training.

``python -m tests.ranks.cases FILE`` trains every case and writes what it ended with to a file. It
does so alone, or as one of several processes.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from ganlab import distributed
from ganlab.config.resolve import resolve
from ganlab.data.batches import Batches
from ganlab.run_directory import Progress
from ganlab.seeds import derive_seed, seed_everything
from ganlab.training.iteration import iterate
from ganlab.training.loop import advanced
from ganlab.training.model import build_model, update_average
from ganlab.training.precision import choose
from ganlab.training.processes import average_scalars, check_same_start
from ganlab.types import Batch, DataSpec, Prepared
from ganlab.workers.ranks import joined
from tests.plugins.matrix import conditionings
from tests.plugins.stand import plugins, small

SPEC = DataSpec(3, 16, 1, ("a", "b", "c"))
ITERATIONS = 3
Case = dict[str, Any]


def cases() -> dict[str, Case]:
    """Return all cases by name: a part each beside the default set, and options of their own."""
    found: dict[str, Case] = {}
    for name in plugins().names("loss"):
        found[f"loss {name}"] = {"loss": name}
    for scheme, yaml in conditionings().items():
        found[f"conditioning {scheme}"] = {"conditioning": yaml}
    for kind, section in (("regularizer", "regularizers"), ("augmentation", "augmentations")):
        for name in plugins().names(kind):
            found[f"{kind} {name}"] = {section: [small(kind, name)]}
    for role in ("generator", "discriminator"):
        for name in plugins().names(role):
            found[f"{role} {name}"] = {role: small(role, name)}
    return found | OPTIONS


STYLES = {"type": "stylegan2", "style_dim": 8, "mapping_layers": 2, "channel_max": 8}
OPTIONS: dict[str, Case] = {
    "accumulate": {"train": {"accumulate": 2}},
    "accumulate with top-k": {
        "train": {"accumulate": 2},
        "regularizers": [{"type": "top-k", "share": 0.5}],
    },
    "accumulate with APA": {
        "train": {"accumulate": 2},
        "augmentations": [small("augmentation", "apa")],
    },
    "several D steps, new fakes": {"train": {"d_steps": 2, "same_fakes": False}},
    "empirical labels": {"train": {"fake_labels": "empirical"}},
    "the real batch's labels": {"train": {"fake_labels": "real"}},
    "an average": {"train": {"ema": {"decay": 0.9}}},
    "mirrored images": {"dataset": {"type": "digits", "image_size": 16, "flip": True}},
    "mirrored images in parts": {
        "dataset": {"type": "digits", "image_size": 16, "flip": True},
        "train": {"accumulate": 2},
    },
    "DRAGAN with normal noise": {"regularizers": [{"type": "dragan", "noise": "normal"}]},
    "gradient penalty of mixed labels": {"regularizers": [{"type": "gp", "labels": "mixed"}]},
    "relativistic hinge": {"loss": {"type": "relativistic-average", "form": "hinge"}},
    "style mixing": {"generator": {**STYLES, "style_mixing": 0.9}},
    "path length of styles": {"generator": STYLES, "regularizers": ["path-length"]},
    "APA by both": {
        "augmentations": [{**small("augmentation", "apa"), "heuristic": "both", "adapt_every": 2}],
    },
    "gradient penalty through ADA": {
        "augmentations": [small("augmentation", "ada")],
        "regularizers": ["r1"],
    },
}


def train(case: Case) -> dict[str, Tensor]:
    """Return all tensors after three iterations in double precision, and the last numbers."""
    conditioning = case.get("conditioning", "concat")
    replaces = "multi-hinge" in str(conditioning)
    sections = {
        "dataset": {"type": "digits", "image_size": 16},
        "generator": small("generator", "dcgan"),
        "discriminator": small("discriminator", "dcgan"),
        "conditioning": conditioning,
        **({} if replaces else {"loss": "hinge"}),
        **{key: value for key, value in case.items() if key != "train"},
        "train": {
            "steps": 1,
            "batch_size": 12,
            "z_dim": 12,
            "device": "cpu",
            "precision": "fp64",
            **case.get("train", {}),
        },
    }
    experiment = resolve(sections, plugins())
    options = experiment.train
    images = torch.randint(256, (20, 1, 16, 16), generator=torch.Generator().manual_seed(0))
    data = Prepared(images.to(torch.uint8), torch.arange(20) % 3, SPEC, "", "")
    batches = Batches(
        data,
        batch_size=12,
        seed=0,
        device=torch.device("cpu"),
        dtype=torch.float64,
        flip=experiment.dataset.flip,
        parts=options.accumulate,
    )
    model = build_model(experiment, SPEC, choose(options))
    at = Progress()
    for _ in range(ITERATIONS):
        seed_everything(derive_seed(0, "step", at.steps), torch.device("cpu"))
        reals = [Batch(*batches.batch(at.batches + i)) for i in range(options.d_steps)]
        scalars = average_scalars(iterate(model, reals, at, options, draw_labels=batches.labels))
        if model.ema is not None:
            update_average(model.ema, model.G, 0.9)
        at = advanced(at, options, dataset_size=20, seconds=0)
    check_same_start(model.modules(), about="")
    tensors = {
        f"{name}/{key}": value.contiguous().clone()
        for name, module in model.modules().items()
        for key, value in module.state_dict().items()
    }
    return tensors | {f"log/{name}": value.double() for name, value in scalars.items()}


def main(path: Path) -> None:
    with joined():
        found = {
            f"{name}: {key}": value
            for name, case in cases().items()
            for key, value in train(case).items()
        }
        if distributed.rank() == 0:
            save_file(found, path)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
