"""``python -m ganlab.workers.score``: score one of several runs in a process of its own."""

from __future__ import annotations

import logging
from pathlib import Path

from ganlab.errors import GanlabError
from ganlab.evaluation.request import ScoreRequest
from ganlab.events import RunFailed, RunFinished, RunPrinted
from ganlab.lab.scoring import Scoring, ScoringTask
from ganlab.lab.workspace import Workspace
from ganlab.log import show_warnings
from ganlab.run_directory import read_run
from ganlab.sweeping.capture import printing
from ganlab.sweeping.jobs import Outcome, Send
from ganlab.workers.process import print_warning, serve, teller


def work(task: ScoringTask, send: Send) -> Outcome:
    """Score a run in a process that does nothing else; what is printed is sent."""
    with printing(lambda text: send(RunPrinted(task.number, text))):
        show_warnings(print_warning)
        request = task.request | {"metrics": tuple(task.request["metrics"])}
        try:
            logging.disable(logging.WARNING)  # the command has loaded the same, and has warned
            workspace = Workspace.at(task.place)
            scorer = Scoring(
                workspace, ScoreRequest(**request), tell=teller(task.number, send)
            ).scorer
            run = read_run(Path(task.run))
            scorer.prepare(run, task.epoch)
            logging.disable(logging.NOTSET)
            scorer.entry(run, task.epoch)
        except (GanlabError, OSError) as error:
            return RunFailed(task.number, str(error))
    return RunFinished(task.number)


if __name__ == "__main__":
    serve(lambda data, send: work(ScoringTask.from_data(data), send))
