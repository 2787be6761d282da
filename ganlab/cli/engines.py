"""Which engine trains the runs of a sweep."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ganlab.cli.run import Trainer
    from ganlab.config.experiment import Experiment
    from ganlab.sweeping.jobs import Engine, Job
    from ganlab.sweeping.resources import Slot


class Refused(click.ClickException):
    """A choice of engine that cannot work, in one line."""

    exit_code = 2


def check_engine(on: str, experiments: Iterable[Experiment]) -> None:
    """Refuse what shows before anything is planned."""
    if on != "ray":
        return
    try:
        import_module("ganlab.sweeping.ray")
    except ModuleNotFoundError as error:
        if error.name != "ray":
            raise
        raise Refused("--on ray needs Ray: pip install 'ganlab[ray]'") from error
    for device in {experiment.train.device for experiment in experiments}:
        if device.startswith("cuda:"):
            raise Refused(f"--on ray gives each run a GPU of its own: leave out {device}")


def places_for(jobs: int, count: int | None, *, use_gpus: bool) -> list[Slot]:
    """Return places for ``count`` jobs at once, by default one for each GPU; none for a single."""
    if jobs < 2 or count == 1:
        return []
    from ganlab.sweeping.resources import slots, visible_gpus

    gpus = visible_gpus() if use_gpus else []
    count = min(count or len(gpus) or 1, jobs)
    return slots(count, gpus) if count > 1 else []


def make_engine(
    on: str, jobs: Sequence[Job], trainer: Trainer, *, count: int | None, ray_address: str | None
) -> Engine:
    """Return what trains these jobs, ``count`` at once."""
    use_gpus = all(job.experiment["train"]["device"] in ("auto", "cuda") for job in jobs)
    if on == "ray":
        from ganlab.cli.work import check, work
        from ganlab.sweeping.ray import OnRay

        return OnRay(work, check, address=ray_address, jobs=count, use_gpus=use_gpus)
    from ganlab.sweeping.jobs import InTurn
    from ganlab.sweeping.pool import Pool

    if places := places_for(len(jobs), count, use_gpus=use_gpus):
        return Pool("ganlab.cli.work", places)
    from ganlab.cli.display import make_display
    from ganlab.cli.work import train

    return InTurn(partial(train, trainer=trainer, display=partial(make_display, brief=True)))
