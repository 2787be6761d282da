"""The overhead of ganlab per step, compared to the same operations in a plain loop.

Trains a tiny network twice, in alternating turns in one process: with ganlab's own loop and log,
and with a plain loop of the same forward passes, losses, backward passes and optimizer steps.
Prints the median milliseconds of both and their difference.

    python benchmarks/overhead.py
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch.nn.functional import softplus

from ganlab.config.experiment import Train
from ganlab.config.resolve import resolve
from ganlab.data.batches import Batches
from ganlab.plugins import load_plugins
from ganlab.run_directory import RunDirectory
from ganlab.seeds import derive_seed, seed_everything
from ganlab.training.iteration import iterate
from ganlab.training.loop import advanced, collect
from ganlab.training.model import Model, build_model
from ganlab.training.precision import choose
from ganlab.types import Batch, DataSpec, Prepared

SPEC = DataSpec(10, 16, 1, tuple("0123456789"))
LOG_EVERY = 50


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=200, help="steps in a turn")
    parser.add_argument("--turns", type=int, default=7, help="turns of each")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    turns: dict[str, list[float]] = {"ganlab": [], "bare": []}
    loops = {"ganlab": ganlab_loop(), "bare": bare_loop()}
    for loop in loops.values():
        loop(20)
    for _ in range(arguments.turns):
        for name, loop in loops.items():
            start = time.perf_counter()
            loop(arguments.steps)
            turns[name].append((time.perf_counter() - start) / arguments.steps * 1000)
    medians = {name: round(statistics.median(times), 3) for name, times in turns.items()}
    medians["difference"] = round(medians["ganlab"] - medians["bare"], 3)
    print(json.dumps({"milliseconds_per_step": medians}))


def tiny() -> tuple[Model, Batches, Train]:
    experiment = resolve(
        {
            "name": "overhead",
            "dataset": "digits",
            "generator": {"type": "mlp", "widths": [16]},
            "discriminator": {"type": "mlp", "widths": [16], "dropout": 0},
            "conditioning": "concat",
            "loss": "bce",
            "train": {"steps": 1, "batch_size": 16, "z_dim": 8, "precision": "fp32"},
        },
        load_plugins(),
    )
    data = Prepared(
        torch.randint(256, (64, 1, 16, 16), dtype=torch.uint8), torch.arange(64) % 10, SPEC, "", ""
    )
    model = build_model(experiment, SPEC, choose(experiment.train))
    batches = Batches(data, batch_size=16, seed=0, device=model.choices.device)
    return model, batches, experiment.train


def ganlab_loop() -> Callable[[int], None]:
    model, batches, options = tiny()
    run = RunDirectory(Path("never-written"))

    def loop(steps: int) -> None:
        since_log = []
        for i in range(steps):
            at = run.progress
            seed_everything(derive_seed(0, "step", at.steps), batches.device)
            real = Batch(*batches.batch(at.batches))
            scalars = iterate(model, [real], at, options, draw_labels=batches.labels)
            since_log.append((at.steps, scalars))
            run.progress = advanced(at, options, dataset_size=batches.size, seconds=0)
            if i % LOG_EVERY == LOG_EVERY - 1:
                collect(run, since_log)
                run.unlogged.clear()

    return loop


def bare_loop() -> Callable[[int], None]:
    model, batches, options = tiny()
    images = batches.batch(0)

    def loop(steps: int) -> None:
        x, y = images
        for i in range(steps):
            z, fake_y = torch.randn(16, options.z_dim), torch.randint(10, (16,))
            model.D.requires_grad_(True)
            fake = model.G(z, fake_y)
            real_logit = model.D(x, y).logit
            fake_logit = model.D(fake.detach(), fake_y).logit
            loss_d = (softplus(-real_logit) + softplus(fake_logit)).mean()
            model.optimizers["discriminator"].zero_grad()
            loss_d.backward()
            model.optimizers["discriminator"].step()
            model.D.requires_grad_(False)
            loss_g = softplus(-model.D(fake, fake_y).logit).mean()
            model.optimizers["generator"].zero_grad()
            loss_g.backward()
            model.optimizers["generator"].step()
            if i % LOG_EVERY == LOG_EVERY - 1:
                torch.stack([loss_d, loss_g]).tolist()

    return loop


if __name__ == "__main__":
    main()
