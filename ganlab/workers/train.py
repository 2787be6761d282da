"""``python -m ganlab.workers.train``: train one run of a sweep in a process of its own."""

from __future__ import annotations

from pathlib import Path

from ganlab.errors import GanlabError
from ganlab.events import RunFailed, RunPrinted
from ganlab.lab.workspace import Workspace
from ganlab.log import show_warnings
from ganlab.sweeping.capture import printing
from ganlab.sweeping.jobs import Job, Outcome, Send
from ganlab.version import __version__
from ganlab.workers.process import print_warning, serve, teller


def work(job: Job, send: Send) -> Outcome:
    """Train a job's run in a process that does nothing else; what is printed is sent."""
    with printing(lambda text: send(RunPrinted(job.number, text))):
        show_warnings(print_warning)
        try:
            workspace = Workspace.at(job.place)  # sets the number of threads: torch comes later
            from ganlab.lab.sweeps import train_job
            from ganlab.lab.trainer import Trainer

            trainer = Trainer(workspace, tell=teller(job.number, send))
        except (GanlabError, OSError) as error:
            return RunFailed(job.number, str(error))
        return train_job(job, trainer)


def check(job: Job, *, version: str, sign: str) -> str | None:
    """Return why this machine cannot train a job; None if it can.

    ``sign`` is the name of a file in the folder of the runs, which all machines must share.
    """
    shared = "all machines must share the folder of the command and that of the runs"
    if version != __version__:
        return f"has ganlab {__version__}, and the command ganlab {version}"
    try:
        workspace = Workspace.at(job.place)
    except OSError as error:
        return f"cannot enter {job.place.folder}: {error.strerror}: {shared}"
    runs = Path(job.place.runs)
    if not (runs / sign).exists():
        return f"does not see the runs in {runs.absolute()}: {shared}"
    from ganlab.config.resolve import resolve
    from ganlab.lab.sweeps import check_data
    from ganlab.lab.trainer import Trainer
    from ganlab.training.record import describe_dataset

    show_warnings(print_warning)
    try:
        trainer = Trainer(workspace)
        experiment = resolve(job.experiment, trainer.plugins, name=job.name)
        _, data = trainer.find_data(experiment)
        check_data(job, describe_dataset(data, asked=experiment.dataset.name))
    except GanlabError as error:
        return str(error)
    return None


if __name__ == "__main__":
    serve(lambda data, send: work(Job.from_data(data), send))
