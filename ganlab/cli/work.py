"""``python -m ganlab.cli.work``: train one run of a sweep in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import click

from ganlab import __version__
from ganlab.cli import show_warnings
from ganlab.cli.app import App
from ganlab.errors import GanlabError, RunError, format_error
from ganlab.sweeping.capture import printing
from ganlab.sweeping.jobs import (
    Failed,
    Finished,
    Job,
    Line,
    Outcome,
    Place,
    Send,
    Sent,
    Stopped,
    to_data,
)

if TYPE_CHECKING:
    from ganlab.cli.run import Trainer
    from ganlab.runs import Run
    from ganlab.training.observers import Display
    from ganlab.training.session import Plan


def train(job: Job, trainer: Trainer, display: Callable[[Run, Plan], Display]) -> Outcome:
    """Train a job's run, or find it finished, and return how it ended."""
    from ganlab.config.resolve import LoadedExperiment, resolve

    try:
        experiment = resolve(job.experiment, trainer.plugins, name=job.name)
        planned = trainer.plan(LoadedExperiment(experiment, {}, job.text))
        _check_data(job, planned.dataset)
        run = trainer.train(planned, display)
    except GanlabError as error:
        return Failed(job.number, str(error))
    except Exception as error:  # the others are trained nevertheless
        where = "".join(traceback.format_exception(error))
        return Failed(job.number, format_error(error), where)
    if run.info["status"] == "interrupted":
        return Stopped(job.number, run.info["signal"])
    return Finished(job.number)


def work(job: Job, send: Send) -> Outcome:
    """Train a job's run in a process that does nothing else; what is printed is sent."""
    with printing(lambda text: send(Line(job.number, text))):
        try:
            app = enter(job.place)
            from ganlab.cli.display import make_display  # after the number of threads is set

            trainer = _trainer(job, app)
        except (GanlabError, OSError) as error:
            return Failed(job.number, str(error))
        return train(job, trainer, lambda run, plan: make_display(run, plan, brief=True))


def place_of(app: App, root: Path | None) -> Place:
    """Return where this command was given."""
    inherited = ("GANLAB_", "OMP_NUM_THREADS")
    return Place(
        folder=str(Path.cwd()),
        data_root=str(root) if root else None,
        plugin_folders=[str(folder) for folder in app.folders],
        environment={name: os.environ[name] for name in os.environ if name.startswith(inherited)},
        arguments=sys.argv[1:],
    )


def enter(place: Place) -> App:
    """Stand where the command was given, with its variables and plugins. Raises `OSError`."""
    os.environ.update(place.environment)
    os.chdir(place.folder)
    sys.argv[1:] = place.arguments
    show_warnings()
    app = App()
    app.folders += map(Path, place.plugin_folders)
    return app


def check(job: Job, *, version: str, sign: str) -> str | None:
    """Say what keeps this machine from training a job; ``sign`` is a file among the runs."""
    shared = "all machines must share the folder of the command and that of the runs"
    if version != __version__:
        return f"has ganlab {__version__}, and the command ganlab {version}"
    try:
        app = enter(job.place)
    except OSError as error:
        return f"cannot enter {job.place.folder}: {error.strerror}: {shared}"
    if not (Path(job.runs) / sign).exists():
        return f"does not see the runs in {Path(job.runs).absolute()}: {shared}"
    from ganlab.config.resolve import resolve
    from ganlab.training.record import describe_dataset

    try:
        trainer = _trainer(job, app)
        experiment = resolve(job.experiment, trainer.plugins, name=job.name)
        _, data = trainer.find_data(experiment)
        _check_data(job, describe_dataset(data, asked=experiment.dataset.name))
    except GanlabError as error:
        return str(error)
    return None


def _trainer(job: Job, app: App) -> Trainer:
    from ganlab.cli.run import Trainer

    root = job.place.data_root
    trainer = Trainer(
        click.Context(click.Command("work"), obj=app),
        data_root=Path(root) if root else None,
        runs_dir=Path(job.runs),
    )
    trainer.plugins.check_local()
    return trainer


def _check_data(job: Job, found: dict[str, Any]) -> None:
    if found != job.dataset:
        name = job.dataset["name"]
        raise RunError(f"finds other images of '{name}' than the sweep was checked with")


# ------------------------------------------------------------------------------- process


def attend(do: Callable[[dict[str, Any], Send], Outcome]) -> None:
    """Read a job from stdin and write its events to stdout: see `ganlab.sweeping.pool.Pool`."""
    events = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever else is printed does not get between them

    def send(event: Sent) -> None:
        with suppress(BrokenPipeError):  # alone: `_stop_when_alone` sees to it that the job ends
            print(json.dumps(to_data(event)), file=events, flush=True)

    job = json.loads(sys.stdin.buffer.readline())
    Thread(target=_stop_when_alone, daemon=True).start()
    send(do(job, send))


def _stop_when_alone() -> None:
    """Wait until the other end of stdin is closed, then stop; a run that is trained saves."""
    os.read(0, 1)  # not sys.stdin, whose lock would be held while the interpreter ends
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    attend(lambda data, send: work(Job.of_data(data), send))
