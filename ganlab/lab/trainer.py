"""Training: an experiment is checked, its data found, its run planned and executed."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ganlab.config.experiment import Experiment, component_block
from ganlab.config.resolve import LoadedExperiment, fallback_experiment
from ganlab.data.prepare import prepare
from ganlab.errors import DataUnavailable, Interrupted
from ganlab.evaluation.periodic import PeriodicEvaluator
from ganlab.events import Tell, ignore
from ganlab.lab.phases import explained
from ganlab.lab.workspace import Workspace
from ganlab.training.model import check_networks
from ganlab.training.precision import choose_device
from ganlab.training.processes import check_batch_split, local_main_process_first
from ganlab.training.session import Plan, execute, plan

if TYPE_CHECKING:
    from ganlab.components import Dataset
    from ganlab.run_directory import RunDirectory
    from ganlab.types import Prepared

log = logging.getLogger("ganlab")


class Trainer:
    """Plans and trains experiments. What several of them share is prepared once."""

    def __init__(
        self,
        workspace: Workspace,
        *,
        fresh: bool = False,
        allow_changes: bool = False,
        tell: Tell = ignore,
    ) -> None:
        self.workspace = workspace
        self.plugins = workspace.usable_plugins()
        self.fresh = fresh
        self.allow_changes = allow_changes
        self.tell = tell
        self._data: dict[str, Prepared | DataUnavailable] = {}
        self._evaluators: dict[str, PeriodicEvaluator] = {}
        self._warned: set[str] = set()

    def plan(self, loaded: LoadedExperiment) -> Plan:
        """Check an experiment and build what will be trained. Nothing is written."""
        experiment = loaded.experiment
        choose_device(experiment.train.device)  # before data is downloaded in vain
        with explained("building the networks"):
            check_networks(experiment)
        check_batch_split(experiment.train)
        with local_main_process_first(), explained("preparing the data"):
            chosen, data = self.find_data(experiment)
        with explained("building the networks"):
            planned = plan(
                chosen,
                text=loaded.text,
                data=data,
                asked=experiment.dataset.name,
                plugins=self.plugins,
                runs=self.workspace.runs_dir,
                fresh=self.fresh,
                arguments=self.workspace.arguments,
            )
        with explained("preparing the scores"):
            self._training_evaluator(planned)
        return planned

    def train(self, planned: Plan) -> RunDirectory:
        """Train what was planned, and return the run; a finished one is returned at once.

        Raises `Interrupted` after a signal, when the run has saved its state.
        """
        with explained("training"):
            run = execute(
                planned,
                tell=self.tell,
                training_evaluator=self._training_evaluator(planned),
                allow_changes=self.allow_changes,
            )
        if run.info["status"] == "interrupted" and (number := run.info.get("signal")):
            raise Interrupted(number, f"at step {run.progress.steps}")
        return run

    def find_data(self, experiment: Experiment) -> tuple[Experiment, Prepared]:
        """Return the experiment and its data, or those of its fallback if it needs one."""
        asked = self._prepared(experiment.dataset)
        if not isinstance(asked, DataUnavailable):
            return experiment, asked
        fallback = fallback_experiment(experiment, self.plugins)
        if fallback is None:
            raise asked
        self._warn_once(str(asked))
        names = f"'{fallback.dataset.name}', not on '{experiment.dataset.name}'"
        self._warn_once(f"falling back: this run trains on {names}")
        instead = self._prepared(fallback.dataset)
        if isinstance(instead, DataUnavailable):
            raise instead
        return fallback, instead

    def _training_evaluator(self, planned: Plan) -> PeriodicEvaluator | None:
        """Return what scores the run while it trains, if the experiment asks for scores."""
        experiment = planned.experiment
        if experiment.eval.options.every is None or planned.finished:
            return None
        described = experiment.resolved()
        key = str([described["dataset"], described["eval"], planned.model.choices.device])
        if key not in self._evaluators:
            self._evaluators[key] = PeriodicEvaluator(
                planned, root=self.workspace.data_root, tell=self.tell
            )
        return self._evaluators[key]

    def _prepared(self, dataset: Dataset) -> Prepared | DataUnavailable:
        """Return a dataset's images, or the error that says why they cannot be had."""
        key = str(component_block(dataset))
        if key not in self._data:
            try:
                root = self.workspace.data_root
                self._data[key] = prepare(dataset, root=root, tell=self.tell)
            except DataUnavailable as error:
                self._data[key] = error
        return self._data[key]

    def _warn_once(self, text: str) -> None:
        if text not in self._warned:
            self._warned.add(text)
            log.warning("%s", text)
