"""One session of a run: everything is checked, then the run directory is made or taken up again."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ganlab import distributed
from ganlab.config.experiment import Experiment
from ganlab.config.writer import to_yaml
from ganlab.data.batches import Batches
from ganlab.data.placement import choose_placement
from ganlab.data.prepare import Prepared
from ganlab.errors import GanlabError, PluginError, RemoteError, RunError, first_line, format_error
from ganlab.files import write_atomically
from ganlab.plugins import Plugins
from ganlab.runs import (
    Progress,
    Run,
    create_run,
    find_run,
    now,
    read_run,
    run_folder,
    set_aside,
    writing,
)
from ganlab.training import record
from ganlab.training.checkpoint import (
    Stored,
    check_belongs,
    checkpoint_files,
    load_module,
    read_newest,
    restore,
)
from ganlab.training.error_attribution import attributed, not_finite
from ganlab.training.generate import noise
from ganlab.training.loop import Budget, Diverged, train
from ganlab.training.model import Model, build_model, parameter_count
from ganlab.training.observers import Display, Observers, TrainingEvaluator
from ganlab.training.precision import choose, configure_torch
from ganlab.training.processes import (
    SharedClock,
    check_same_start,
    from_main_process,
    on_main_process,
)
from ganlab.training.signals import stop_signals

TRACEBACK = "traceback.txt"
"""Keeps what a plugin raised, below a run's folder."""


@dataclass
class Plan:
    """A run that is checked and built but has not touched the disk."""

    experiment: Experiment
    text: str
    data: Prepared
    asked: str
    """The dataset that the experiment asked for; another one than ``data.source`` on a fallback."""

    plugins: Plugins
    folder: Path
    fresh: bool
    """Start over, though there is a run."""

    existing: Run | None
    model: Model
    batches: Batches
    init_from: dict[str, str] | None
    """The checkpoint whose weights the model starts from, unless it goes on."""

    dataset: dict[str, Any]
    """What the run records of its data."""

    @property
    def finished(self) -> bool:
        """True if the run has used up its budget already."""
        run = self.existing
        return (
            run is not None
            and run.info["status"] == "finished"
            and self.budget.share(run.progress) >= 1
        )

    @property
    def budget(self) -> Budget:
        return Budget.of(self.experiment.train, dataset_size=self.batches.size)


def plan(
    experiment: Experiment,
    *,
    text: str,
    data: Prepared,
    asked: str,
    plugins: Plugins,
    runs: Path,
    fresh: bool = False,
) -> Plan:
    """Build everything, so that what is wrong shows before anything is written."""
    seed = experiment.train.seed
    folder = run_folder(runs, experiment=experiment.name, identity=experiment.identity(), seed=seed)
    there = (folder / "run.json").exists() and not fresh
    existing = from_main_process(lambda: read_run(folder) if there else None)
    if existing is not None and existing.info["identity"] != experiment.identity():
        raise RunError(f"{folder} holds another experiment whose hash starts alike; move it away")
    choices = choose(experiment.train, recorded=existing.info["choices"] if existing else None)
    configure_torch(choices, deterministic=experiment.train.deterministic)
    batches = Batches(
        data,
        batch_size=experiment.train.batch_size,
        seed=seed,
        device=choices.device,
        dtype=choices.dtype,
        flip=experiment.dataset.flip,
        placement=choose_placement(experiment.train.data, data.images, device=choices.device),
        parts=experiment.train.accumulate,
    )
    model = build_model(experiment, data.spec, choices)
    init_from = None
    begun = from_main_process(lambda: bool(existing and checkpoint_files(existing)))
    if experiment.train.init_from and not begun:
        init_from = _init_from(model, experiment.train.init_from, runs)
    return Plan(
        experiment=experiment,
        text=text,
        data=data,
        asked=asked,
        plugins=plugins,
        folder=folder,
        fresh=fresh,
        existing=existing,
        model=model,
        batches=batches,
        init_from=init_from,
        dataset=record.describe_dataset(data, asked=asked),
    )


def execute(
    plan: Plan,
    *,
    display: Callable[[Run, Plan], Display],
    training_evaluator: TrainingEvaluator | None = None,
    allow_changes: bool = False,
) -> Run:
    """Train what was planned: from the start, or from where the run's last session ended.

    ``training_evaluator`` scores it at the experiment's intervals. Returns the run, whose status is
    ``finished`` or ``interrupted``. Any other failure is recorded in the run and raised.
    """
    if plan.finished:
        assert plan.existing is not None
        return plan.existing
    run = plan.existing or Run(plan.folder)
    if distributed.rank() == 0:
        run.lock()
    try:
        stored = from_main_process(lambda: _opened(plan, run, allow_changes=allow_changes))
        if stored is not None:
            restore(run, plan.model, stored)
        else:
            run.progress = Progress()
        settings = [plan.dataset, plan.experiment.resolved(), plan.model.choices.recorded()]
        evaluator = training_evaluator.about if training_evaluator else ""
        check_same_start(plan.model.modules(), about=f"{settings} {evaluator}")
        with display(run, plan) as shown:
            _train(plan, run, shown, training_evaluator)
    finally:
        run.unlock()
    run.info = from_main_process(lambda: run.info)
    return run


def _opened(plan: Plan, run: Run, *, allow_changes: bool) -> Stored | None:
    """Make the run directory, or take it up; return the checkpoint to go on from, if any."""
    if plan.existing is not None:
        run.reread()
        return _take_up(plan, run, allow_changes=allow_changes)
    if (run.path / "run.json").exists() and not plan.fresh:
        raise RunError(f"another process has started {run.path} just now: repeat the command")
    _create(plan, run)
    return None


def _create(plan: Plan, run: Run) -> None:
    """Make the run directory; one that is there, but not to go on with, is set aside."""
    if run.path.exists():
        set_aside(run.path)
    experiment = plan.experiment
    create_run(run, experiment_text=plan.text, config=to_yaml(experiment.resolved()))
    run.info = {
        "experiment": experiment.name,
        "identity": experiment.identity(),
        "seed": experiment.train.seed,
        "status": "running",
        "created": now(),
        "sessions": [],
    }


def _take_up(plan: Plan, run: Run, *, allow_changes: bool) -> Stored | None:
    """Return the newest checkpoint that is whole, if what it learned from is the same."""
    stored = read_newest(run, tidy=True)
    if stored is None:
        run.info.pop("best", None)  # of code that may have been mended since
        return None
    check_belongs(stored, run)
    if not allow_changes:
        plugins = record.describe_plugins(plan.experiment, plan.plugins)
        record.check_unchanged(run, plan.dataset, plugins)
    return stored


def _train(
    plan: Plan, run: Run, display: Display, training_evaluator: TrainingEvaluator | None
) -> None:
    train_options = plan.experiment.train
    observers = Observers(
        run,
        plan.model,
        z_dim=train_options.z_dim,
        bn=train_options.sample_bn,
        seed=train_options.seed,
        display=display,
        plugins=plan.plugins,
        callbacks=plan.experiment.callbacks,
        training_evaluator=training_evaluator,
    )
    _start_session(plan, run, processes=distributed.world_size())
    error: BaseException | None = None
    try:
        with stop_signals() as asked, run.files.in_thread():
            clock = SharedClock(run.progress.seconds, asked)
            observers.run_start()
            train(
                run,
                plan.model,
                plan.batches,
                train_options,
                observers=observers,
                should_stop=lambda: clock.signal is not None,
                clock=clock,
                evaluate_every=plan.experiment.eval.options.every if training_evaluator else None,
            )
            status = "finished" if clock.signal is None else "interrupted"
            run.info["signal"] = clock.signal
    except BaseException as caught:
        status, error = _status_of(caught), caught
        if isinstance(caught, Diverged):
            observers.log()  # what came before it
            with distributed.single_process():
                caught.args = (f"{caught}{_where(caught, plan)}",)
        if isinstance(caught, RemoteError) and caught.traceback:
            _keep_traceback(run, caught.traceback)
        if isinstance(caught, torch.OutOfMemoryError):
            raise RunError(
                f"the GPU's memory is full at step {run.progress.steps}: make train.batch_size or "
                "the networks smaller"
            ) from caught
        if plan.model.compiled and isinstance(caught, torch._dynamo.exc.TorchDynamoException):
            what = f"the networks cannot be compiled: {first_line(caught)}"
            raise RunError(f"{what}; set train.compile=off") from caught
        plugin_error = None if isinstance(caught, GanlabError) else attributed(caught)
        if plugin_error is not None and isinstance(caught, Exception):
            _keep_traceback(run, "".join(traceback.format_exception(caught)))
            error = PluginError(f"{plugin_error}\n  traceback: {run.path / TRACEBACK}")
            raise error from caught
        raise
    finally:
        plan.batches.close()
        _end_session(plan, run, status, error)
        observers.run_end(error)
    observers.draw_curves()
    observers.animate()


@on_main_process
def _start_session(plan: Plan, run: Run, *, processes: int) -> None:
    choices = plan.model.choices
    record.forget_peak_memory(choices.device)
    session = {
        "started": now(),
        "argv": sys.argv[1:],
        "device": str(choices.device),
        "data": plan.batches.placement,
        "from_step": run.progress.steps,
        "processes": processes,
        "sync_bn": plan.experiment.train.sync_bn,
        **record.describe_machine(choices.device),
    }
    plugins = record.describe_plugins(plan.experiment, plan.plugins)
    session["plugins"] = {key: plugin["sha256"] for key, plugin in plugins.items()}
    # Budgets and intervals may differ from those of the session before.
    config = to_yaml(plan.experiment.resolved())
    with writing(run.path):
        write_atomically(run.path / "config.yaml", config.encode())
        record.copy_plugins(run, plan.experiment, plan.plugins)
    run.update(
        status="running",
        error=None,
        choices=choices.recorded(),
        config=record.describe_experiment(plan.experiment),
        dataset=plan.dataset,
        plugins=plugins,
        init_from=plan.init_from or run.info.get("init_from"),
        parameters={
            role: parameter_count(network.parameters())
            for role, network in plan.model.networks.items()
        },
        git=record.describe_git(),
        sessions=[*run.info["sessions"], session],
    )


@on_main_process
def _end_session(plan: Plan, run: Run, status: str, error: BaseException | None) -> None:
    session = run.info["sessions"][-1]
    session |= {
        "ended": now(),
        "to_step": run.progress.steps,
        "peak_memory_bytes": record.peak_memory_bytes(plan.model.choices.device),
    }
    try:
        run.update(status=status, error=None if error is None else format_error(error))
    except RunError:
        if error is None:  # a full disk is what is being reported already
            raise


@on_main_process
def _keep_traceback(run: Run, text: str) -> None:
    write_atomically(run.path / TRACEBACK, text.encode())


def _status_of(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    return "diverged" if isinstance(error, Diverged) else "failed"


def _where(diverged: Diverged, plan: Plan) -> str:
    """Say which plugin a number that is not finite came from, as far as that shows."""
    owner = plan.model.owners.get(diverged.name)
    if owner:
        return f": it is a term of {owner}"
    fresh = build_model(plan.experiment, plan.data.spec, plan.model.choices)
    z = noise(2, plan.experiment.train.z_dim, 0).to(fresh.choices.device, fresh.choices.dtype)
    site = not_finite(fresh, z, torch.arange(2, device=z.device))
    return f": {site} gives numbers that are not finite, with its initial weights" if site else ""


def _init_from(model: Model, name: str, runs: Path) -> dict[str, str]:
    """Start from another run's weights, and return what to record of it."""
    donor = from_main_process(lambda: find_run(name, runs))
    stored = from_main_process(lambda: read_newest(donor))
    if stored is None:
        raise RunError(f"{donor.path} has no checkpoint to start from")
    for module_name, module in model.networks.items():
        load_module(module, stored, module_name)
    if model.ema is not None:
        load_module(model.ema, stored, "ema" if stored.has_average else "generator")
    return {"checkpoint": str(stored.path), "sha256": stored.meta["sha256"]}
